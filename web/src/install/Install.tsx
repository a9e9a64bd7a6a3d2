import { Anchor, Tabs, Text } from '@mantine/core';
import { IconBrowser, IconShoppingBag, IconTerminal2 } from '@tabler/icons-react';
import { Link } from 'wouter';
import { Code } from '../kit/Code';
import { useWorkspace } from '../shell/workspace';
import classes from './Install.module.css';
import { curl, demo, scriptCalls, scriptTag } from './snippets';

interface InstallProps {
  writeKey: string;
  /** Offers the demo shop too, for workspaces that have nothing yet. */
  withDemo?: boolean;
}

/** The ways to send something to this workspace. */
export function Install({ writeKey, withDemo }: InstallProps) {
  const workspace = useWorkspace();
  const { origin } = window.location;
  return (
    <Tabs defaultValue="website" keepMounted={false}>
      <Tabs.List className={classes.tabs ?? ''}>
        <Tabs.Tab value="website" leftSection={<IconBrowser size={16} aria-hidden />}>
          Website
        </Tabs.Tab>
        <Tabs.Tab value="terminal" leftSection={<IconTerminal2 size={16} aria-hidden />}>
          Terminal
        </Tabs.Tab>
        {withDemo && (
          <Tabs.Tab value="demo" leftSection={<IconShoppingBag size={16} aria-hidden />}>
            Demo data
          </Tabs.Tab>
        )}
      </Tabs.List>
      <Tabs.Panel value="website" className={classes.panel}>
        <Text>Paste this into the head of your pages. Page views and sessions arrive at once.</Text>
        <Code what="snippet" text={scriptTag(origin, writeKey)} />
        <Text mt="sm">Or start it yourself, track what matters, and say who it was:</Text>
        <Code what="script" text={scriptCalls(origin, writeKey)} />
      </Tabs.Panel>
      <Tabs.Panel value="terminal" className={classes.panel}>
        <Text>Send one event and watch it arrive:</Text>
        <Code what="curl command" text={curl(origin, writeKey)} />
      </Tabs.Panel>
      {withDemo && (
        <Tabs.Panel value="demo" className={classes.panel}>
          <Text>A realistic shop: weeks of history in seconds, then live traffic.</Text>
          <Code what="demo command" text={demo(origin, workspace.id)} />
          <Text c="dimmed" size="sm">
            Run it beside the server. From another machine, add <code className="mono">--key sk_…</code> with
            a secret key from{' '}
            <Anchor component={Link} href="/settings/keys" size="sm" underline="always">
              Settings, Keys
            </Anchor>
            .
          </Text>
        </Tabs.Panel>
      )}
    </Tabs>
  );
}
