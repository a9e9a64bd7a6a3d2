/** What to paste where, with the workspace's own key and this server's own address. */

/** For a web page's head: loads the SDK, which starts itself with the key. */
export function scriptTag(origin: string, writeKey: string): string {
  return `<script async src="${origin}/weir.js" data-key="${writeKey}"></script>`;
}

/** For code that wants to start the SDK itself, and send its first own event. */
export function scriptCalls(origin: string, writeKey: string): string {
  return [
    `<script src="${origin}/weir.js"></script>`,
    '<script>',
    `  weir.init('${writeKey}', { host: '${origin}' });`,
    `  weir.track('Signed Up', { plan: 'pro' });`,
    `  weir.identify('user-42', { email: 'ada@example.com' });`,
    '</script>',
  ].join('\n');
}

/** One event, sent from a terminal. */
export function curl(origin: string, writeKey: string): string {
  const body = { api_key: writeKey, event: 'Signed Up', distinct_id: 'user-42', properties: { plan: 'pro' } };
  return `curl ${origin}/v1/track \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(body)}'`;
}

/** A shop with weeks of history and live traffic. Without a key it makes one in the server's data directory. */
export function demo(origin: string, workspace: string): string {
  return `weir demo --url ${origin} --workspace ${workspace}`;
}
