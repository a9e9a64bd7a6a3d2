import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, test } from 'vitest';
import { Refusal, serve, shop, show } from '../testing/app';
import { Gate } from './Gate';

const stranger = new Refusal(401, { code: 'not_signed_in', detail: 'Sign in.' });

test('signing in opens the app in a workspace, signing out closes it', async () => {
  let signedIn = false;
  serve({
    'GET /api/v1/setup': { needed: false },
    'GET /api/v1/me': () => (signedIn ? { email: 'ada@example.com', workspaces: [shop] } : stranger),
    'POST /api/v1/sign-in': () => {
      signedIn = true;
      return {};
    },
    'POST /api/v1/sign-out': () => {
      signedIn = false;
      return {};
    },
  });
  const user = userEvent.setup();
  const { history } = show(<Gate />, '/settings/workspace');
  await user.type(await screen.findByLabelText('Email'), 'ada@example.com');
  await user.type(screen.getByLabelText('Password'), 'correct horse battery');
  await user.click(screen.getByRole('button', { name: 'Sign in' }));

  const names = (await screen.findAllByRole('link')).map((link) => link.textContent);
  expect(names).toEqual(expect.arrayContaining(['Home', 'Insights', 'Log', 'Settings']));
  expect(history.at(-1)).toBe('/w/shop/settings/workspace');
  await screen.findByText('Europe/Paris');

  await user.click(screen.getByRole('button', { name: 'Account ada@example.com' }));
  await user.click(await screen.findByRole('menuitem', { name: 'Sign out' }));
  await screen.findByRole('button', { name: 'Sign in' });
});

test('an address may name its workspace', async () => {
  const other = { ...shop, id: 'other', name: 'Other' };
  serve({ 'GET /api/v1/me': { email: 'ada@example.com', workspaces: [shop, other] } });
  const { history } = show(<Gate />, '/settings/workspace?workspace=other&x=1');
  await screen.findByRole('heading', { name: 'Other' });
  expect(history.at(-1)).toBe('/w/other/settings/workspace?x=1');
});

test('without a workspace, one is made first', async () => {
  serve({ 'GET /api/v1/me': { email: 'ada@example.com', workspaces: [] } });
  show(<Gate />);
  await screen.findByRole('heading', { name: 'Create a workspace', level: 1 });
});
