import { Button, Center, Loader } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useMe } from '../api/queries';
import { Empty } from '../kit/Empty';
import { problemText } from '../kit/ProblemNote';
import { Workspaces } from '../shell/Workspaces';
import { SignIn } from './SignIn';

/** The app for those who are signed in, the sign-in form for all others. */
export function Gate() {
  const me = useMe();
  if (me.data) return <Workspaces me={me.data} />;
  if (me.data === null) return <SignIn />;
  if (me.isError) {
    return (
      <main>
        <h1 className="visually-hidden">Weir</h1>
        <Empty
          icon={<IconPlugConnectedX size={22} />}
          title="No answer from the server"
          actions={<Button onClick={() => void me.refetch()}>Try again</Button>}
        >
          {problemText(me.error)}
        </Empty>
      </main>
    );
  }
  return (
    <Center component="main" mih="100dvh" aria-busy>
      <h1 className="visually-hidden">Weir</h1>
      <Loader type="dots" role="status" aria-label="Loading" />
    </Center>
  );
}
