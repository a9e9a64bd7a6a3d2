import { Button } from '@mantine/core';
import { IconMapQuestion } from '@tabler/icons-react';
import { Link } from 'wouter';
import { Empty } from '../kit/Empty';
import { Page } from '../kit/Page';

/** For an address that leads nowhere. */
export function NotFound() {
  return (
    <Page title="Page not found">
      <Empty
        icon={<IconMapQuestion size={22} />}
        title="There is no page at this address"
        actions={
          <Button component={Link} href="/" variant="default">
            Go to Home
          </Button>
        }
      >
        It may have been mistyped, or belong to another version of Weir.
      </Empty>
    </Page>
  );
}
