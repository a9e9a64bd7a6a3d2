import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import { useSetupNeeded, useSignIn } from '../api/queries';
import { ProblemNote } from '../kit/ProblemNote';
import { Threshold } from './Threshold';

/** Asks who it is. */
export function SignIn() {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const signIn = useSignIn();
  const setup = useSetupNeeded();

  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate({ email: email.trim(), password });
  };

  return (
    <Threshold title="Sign in to Weir" lead="See what arrives, and ask questions about it.">
      <form onSubmit={submit}>
        <Stack gap="md">
          {setup.data?.needed && <FirstRunHint />}
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
            autoComplete="current-password"
            required
            withAsterisk={false}
            size="md"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <ProblemNote error={signIn.error} />
          <Button type="submit" size="md" fullWidth loading={signIn.isPending}>
            Sign in
          </Button>
        </Stack>
      </form>
    </Threshold>
  );
}

function FirstRunHint() {
  return (
    <Alert variant="light" icon={<IconKey size={18} aria-hidden />} title="Nobody has an account here yet">
      When it started, the server printed a link that creates the first one. Open it to begin.
    </Alert>
  );
}
