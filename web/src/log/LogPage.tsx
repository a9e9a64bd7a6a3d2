import { Button, Skeleton, Stack } from '@mantine/core';
import { IconListSearch, IconRefresh } from '@tabler/icons-react';
import { useMemo } from 'react';
import { Link, useLocation, useSearch } from 'wouter';
import { type LogFilter, useLog } from '../api/queries';
import { Empty } from '../kit/Empty';
import { Page } from '../kit/Page';
import { ProblemNote } from '../kit/ProblemNote';
import { useWorkspace } from '../shell/workspace';
import { plural } from '../text/number';
import { readLogAddress, writeLogAddress } from './filter';
import { LogFilters } from './LogFilters';
import classes from './LogPage.module.css';
import { LogTable } from './LogTable';
import { ReceiptDrawer } from './ReceiptDrawer';
import { ReplayAll } from './ReplayAll';

/** The log: every item that was ever sent, and what became of it. */
export function LogPage() {
  const workspace = useWorkspace();
  const search = useSearch();
  const [, navigate] = useLocation();
  const { filter, open } = useMemo(() => readLogAddress(search), [search]);
  const log = useLog(workspace.id, filter);
  const rows = log.data?.pages.flatMap((page) => page.items ?? []) ?? [];

  const go = (next: LogFilter, opened: string) => {
    const query = writeLogAddress(next, opened);
    navigate(query ? `/log?${query}` : '/log', { replace: true });
  };

  return (
    <Page
      title="Log"
      lead="Every item that was sent, and what became of it. Nothing vanishes."
      actions={
        <>
          {/* Rows of another filter would be counted while the new one is read. */}
          <ReplayAll
            filter={filter}
            rows={log.isPlaceholderData ? [] : rows}
            more={log.hasNextPage && !log.isPlaceholderData}
          />
          <Button
            variant="default"
            leftSection={<IconRefresh size={16} aria-hidden />}
            loading={log.isRefetching && !log.isFetchingNextPage}
            onClick={() => void log.refetch()}
          >
            Refresh
          </Button>
        </>
      }
    >
      <div className={classes.panel}>
        <LogFilters filter={filter} onChange={(next) => go(next, '')} />
        {log.isError && (
          <div className={classes.problem}>
            <ProblemNote error={log.error} onRetry={() => void log.refetch()} />
          </div>
        )}
        {log.isPending && <LogSkeleton />}
        {log.isSuccess && rows.length === 0 && <NothingLogged filtered={Object.keys(filter).length > 0} />}
        {rows.length > 0 && (
          <LogTable
            rows={rows}
            zone={workspace.timezone}
            open={open}
            onOpen={(position) => go(filter, position)}
          />
        )}
      </div>
      {rows.length > 0 && (
        <footer className={classes.footer}>
          <span>{plural(rows.length, 'item')} shown</span>
          {log.hasNextPage && (
            <Button
              variant="default"
              loading={log.isFetchingNextPage}
              onClick={() => void log.fetchNextPage()}
            >
              Show older
            </Button>
          )}
        </footer>
      )}
      <ReceiptDrawer open={open} onClose={() => go(filter, '')} />
    </Page>
  );
}

function NothingLogged({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return (
      <Empty icon={<IconListSearch size={22} />} title="No item matches">
        Ids must match exactly. A status or kind may exclude what you look for.
      </Empty>
    );
  }
  return (
    <Empty
      icon={<IconListSearch size={22} />}
      title="Nothing was sent yet"
      actions={
        <Button component={Link} href="/" variant="default">
          Send the first item
        </Button>
      }
    >
      Every item that arrives is listed here with its receipt, rejected ones with the reason.
    </Empty>
  );
}

function LogSkeleton() {
  return (
    <Stack gap="sm" p="md" aria-busy>
      {['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((row) => (
        <Skeleton key={row} height={24} />
      ))}
    </Stack>
  );
}
