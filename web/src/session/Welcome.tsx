import { Anchor, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { Link, useLocation, useSearchParams } from 'wouter';
import { useSetup } from '../api/queries';
import { ProblemNote } from '../kit/ProblemNote';
import { Threshold } from './Threshold';

/** What the server asks of a password. */
export const PASSWORD_LENGTH = 12;

/** Creates the first account, from the link that the server printed at its first start. */
export function Welcome() {
  const [parameters] = useSearchParams();
  const token = parameters.get('token') ?? '';
  if (!token) return <MissingToken />;
  return <FirstAccount token={token} />;
}

function FirstAccount({ token }: { token: string }) {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const setup = useSetup();
  const [, navigate] = useLocation();
  const missing = PASSWORD_LENGTH - password.length;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (missing > 0) return;
    setup.mutate(
      { token, email: email.trim(), password },
      { onSuccess: () => navigate('/', { replace: true }) },
    );
  };

  return (
    <Threshold
      title="Welcome to Weir"
      lead="Create the owner’s account. It owns every workspace of this server."
    >
      <form onSubmit={submit}>
        <Stack gap="md">
          <TextInput
            label="Email"
            type="email"
            autoComplete="username"
            required
            withAsterisk={false}
            size="md"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <PasswordInput
            label="Password"
            description={`${PASSWORD_LENGTH} characters or more. A few unrelated words work well.`}
            autoComplete="new-password"
            required
            withAsterisk={false}
            size="md"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={
              tried && missing > 0
                ? `${missing} more ${missing === 1 ? 'character' : 'characters'}, please`
                : null
            }
          />
          <ProblemNote error={setup.error} />
          <Button type="submit" size="md" fullWidth loading={setup.isPending}>
            Create account
          </Button>
        </Stack>
      </form>
    </Threshold>
  );
}

function MissingToken() {
  return (
    <Threshold
      title="This link is incomplete"
      lead="The first-run link ends in “?token=…”. Copy all of it from the server’s output; a restart prints a new one."
    >
      <Anchor component={Link} href="/">
        Go to the sign-in form
      </Anchor>
    </Threshold>
  );
}
