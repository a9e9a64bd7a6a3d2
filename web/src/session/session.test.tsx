import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { faults, Refusal, serve, show } from '../testing/app';
import { SignIn } from './SignIn';
import { Welcome } from './Welcome';

test('the sign-in form says why it was refused, and is accessible', async () => {
  const asked = serve({
    'GET /api/v1/setup': { needed: false },
    'POST /api/v1/sign-in': new Refusal(401, {
      code: 'wrong_password',
      detail: 'The e-mail or the password is wrong.',
    }),
  });
  const user = userEvent.setup();
  const { container } = show(<SignIn />);
  await user.type(screen.getByLabelText('Email'), ' ada@example.com');
  await user.type(screen.getByLabelText('Password'), 'guess');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
  expect((await screen.findByRole('alert')).textContent).toContain('The e-mail or the password is wrong.');
  expect(asked.find(({ call }) => call === 'POST /api/v1/sign-in')?.body).toEqual({
    email: 'ada@example.com',
    password: 'guess',
  });
  expect(screen.getAllByRole('heading', { level: 1 })).toHaveLength(1);
  expect(await faults(container)).toEqual([]);
});

test('before the first account the sign-in form says where the link is', async () => {
  serve({ 'GET /api/v1/setup': { needed: true } });
  show(<SignIn />);
  await screen.findByText(/printed a link/);
});

test('the first account needs twelve characters, then opens the app', async () => {
  const asked = serve({ 'POST /api/v1/setup': {} });
  const user = userEvent.setup();
  const { container, history } = show(<Welcome />, '/welcome?token=t1');
  await user.type(screen.getByLabelText('Email'), 'ada@example.com');
  await user.type(screen.getByLabelText('Password'), 'elevenchars');
  await user.click(screen.getByRole('button', { name: 'Create account' }));
  await screen.findByText('1 more character, please');
  expect(asked).toEqual([]);
  await user.type(screen.getByLabelText('Password'), '!');
  await user.click(screen.getByRole('button', { name: 'Create account' }));
  await waitFor(() => expect(history.at(-1)).toBe('/'));
  expect(asked[0]?.body).toEqual({ token: 't1', email: 'ada@example.com', password: 'elevenchars!' });
  expect(await faults(container)).toEqual([]);
});

test('a link without its token says so', () => {
  serve({});
  show(<Welcome />, '/welcome');
  screen.getByRole('heading', { name: 'This link is incomplete' });
});
