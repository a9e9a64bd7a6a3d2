// A stand-in for the server, for working on the looks of the web app without
// one: `npm run mock`, then `WEIR_URL=http://127.0.0.1:8090 npm run dev`. It
// answers the shapes of the API with made-up, repeatable numbers; it checks
// nothing and proves nothing. MOCK_EMPTY=1: a workspace where nothing arrived
// yet; MOCK_SETUP=1: no account yet.
import { createServer } from 'node:http';

const port = Number(process.env.PORT ?? 8090);
const empty = process.env.MOCK_EMPTY === '1';
let setupNeeded = process.env.MOCK_SETUP === '1';

let seed = 42;
const random = () => {
  seed = (seed * 1664525 + 1013904223) % 4294967296;
  return seed / 4294967296;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const id = () =>
  [8, 4, 4, 12]
    .map((n) => Array.from({ length: n }, () => '0123456789abcdef'[Math.floor(random() * 16)]).join(''))
    .join('-');

const PRODUCTS = ['Linen shirt', 'Canvas tote', 'Merino scarf', 'Enamel mug', 'Oak tray', 'Wool blanket'];
const PAGES = [
  '/',
  '/collections/summer',
  '/products/linen-shirt',
  '/products/oak-tray',
  '/cart',
  '/journal/how-we-dye',
  '/checkout',
];
const COUNTRIES = ['FR', 'DE', 'GB', 'US', 'NL', 'ES', 'IT', 'SE', 'JP', null];
const EVENTS = [
  ['pageview', 184203],
  ['Product Viewed', 61544],
  ['Added to Cart', 20411],
  ['Checkout Started', 8122],
  ['order', 5210],
  ['Signed Up', 2874],
  ['Search', 12988],
  ['Newsletter Subscribed', 1033],
];

const log = [];
let sequence = 1000;

function makeItem(at) {
  const created = new Date(at).toISOString();
  const user = {
    external_id: random() < 0.4 ? `customer-${Math.floor(random() * 900)}` : id(),
    is_authenticated: false,
    created_at: created,
  };
  const session = {
    external_id: id(),
    created_at: created,
    landing_page: `https://shop.example${pick(PAGES)}`,
    utm_source: pick(['google', 'newsletter', 'direct']),
    utm_medium: pick(['cpc', 'email', 'none']),
  };
  const device = {
    external_id: id(),
    created_at: created,
    user_agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)',
    language: 'fr-FR',
    resolution: '1728x1117',
  };
  const roll = random();
  const base = { external_id: id(), created_at: created };
  if (roll < 0.5) {
    const path = pick(PAGES);
    return {
      kind: 'pageview',
      pageview: {
        ...base,
        title: path === '/' ? 'Shop' : path.split('/').pop().replaceAll('-', ' '),
        page_id: `https://shop.example${path}`,
        duration: Math.floor(random() * 90),
      },
      user,
      session,
      device,
    };
  }
  if (roll < 0.9) {
    const label = pick([
      'Product Viewed',
      'Product Viewed',
      'Added to Cart',
      'Checkout Started',
      'Search',
      'Signed Up',
    ]);
    const properties =
      label === 'Search'
        ? { query: pick(['shirt', 'wool', 'gift']), results: Math.floor(random() * 40) }
        : {
            product: pick(PRODUCTS),
            price: Math.floor(random() * 120) + 0.9,
            currency: 'EUR',
            variant: pick(['sand', 'ink', 'moss']),
          };
    return { kind: 'custom_event', custom_event: { ...base, label, properties }, user, session, device };
  }
  if (roll < 0.95) {
    return {
      kind: 'order',
      order: {
        ...base,
        total_price: Math.floor(random() * 20000),
        currency: 'EUR',
        items: [{ external_id: id(), name: pick(PRODUCTS), quantity: 1 }],
        discount_codes: [],
      },
      user: { ...user, is_authenticated: true },
      session,
      device,
    };
  }
  return {
    kind: 'user',
    user: {
      ...user,
      is_authenticated: true,
      email: `ada${Math.floor(random() * 99)}@example.com`,
      country: pick(COUNTRIES),
      traits: { plan: pick(['free', 'plus']) },
    },
    session,
    device,
  };
}

function makeRow(at) {
  const item = makeItem(at);
  const payload = item[item.kind];
  const roll = random();
  const status = roll < 0.93 ? 'stored' : roll < 0.96 ? 'duplicate' : roll < 0.98 ? 'rejected' : 'superseded';
  const bad = status === 'rejected';
  sequence += 1;
  return {
    position: `${Math.floor(random() * 16)}.${sequence}`,
    receipt: `rcp_${id().slice(0, 8)}${sequence}`,
    index: 0,
    kind: item.kind,
    item_id: payload.external_id,
    name: item.kind === 'custom_event' ? payload.label : undefined,
    user_id: item.user.external_id,
    person: Math.floor(random() * 9000),
    source: 'src_1',
    source_name: pick(['Web shop', 'Web shop', 'Backend']),
    received_at: new Date(at).toISOString(),
    time: new Date(at - 800).toISOString(),
    status,
    ...(bad
      ? {
          code: 'invalid_field',
          field: `${item.kind}.created_at`,
          message: 'created_at must be an RFC 3339 time such as 2024-02-22T09:12:02Z.',
        }
      : {}),
    ...(roll < 0.04
      ? {
          warnings: [
            {
              code: 'unknown_field',
              field: `${item.kind}.colour`,
              message: 'The field is not known; it was kept under extra.',
            },
          ],
        }
      : {}),
    size: JSON.stringify(item).length,
    item,
  };
}

if (!empty) for (let i = 320; i > 0; i--) log.unshift(makeRow(Date.now() - i * 9000));

const listeners = new Set();
function arrive() {
  const row = makeRow(Date.now());
  log.unshift(row);
  if (log.length > 5000) log.pop();
  for (const listener of listeners) listener.write(`event: outcome\ndata: ${JSON.stringify(row)}\n\n`);
}
if (!empty) {
  const next = () => {
    arrive();
    setTimeout(next, 40 + random() * 500);
  };
  next();
}

const hash = (text) => [...text].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 9973, 7);

function bucketsOf({ from, to, interval }) {
  const day = 86400000;
  const today = Date.parse(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`);
  const at = (text) =>
    text === 'today'
      ? today
      : /^-\d+d$/.test(text)
        ? today - Number(text.slice(1, -1)) * day
        : Date.parse(`${text}T00:00:00Z`);
  const start = at(from);
  const end = at(to) + day;
  const step = {
    minute: 60000,
    hour: 3600000,
    day,
    week: 7 * day,
    month: 30 * day,
    quarter: 91 * day,
    year: 365 * day,
  }[interval];
  const labels = [];
  for (let t = start; t < end; t += step) {
    const iso = new Date(t).toISOString();
    labels.push(interval === 'minute' || interval === 'hour' ? `${iso.slice(0, 19)}Z` : iso.slice(0, 10));
  }
  return labels;
}

/** A made-up count that is the same whenever it is asked for. */
function countIn(bucket, i, buckets, line) {
  const at = Date.parse(bucket.length === 10 ? `${bucket}T00:00:00Z` : bucket);
  if (empty || at > Date.now()) return 0;
  const date = new Date(at);
  const weekend = date.getUTCDay() % 6 === 0 ? 0.28 : 0;
  const wave = 1 + 0.12 * Math.sin(i / 4 + hash(line.name)) - weekend;
  const noise = 1 + (hash(bucket + line.name) / 9973 - 0.5) * 0.22;
  const part = bucket.length > 10 ? (1 + Math.sin((date.getUTCHours() - 8) / 3.8)) / 24 : 1;
  const unfinished = bucket.length === 10 && i === buckets.length - 1 ? 0.6 : 1;
  return Math.round(line.size * wave * noise * part * unfinished * (1 + i / buckets.length / 3));
}

function refusal(question) {
  for (const [i, series] of question.series.entries()) {
    for (const [j, filter] of (series.filters ?? []).entries()) {
      if (filter.op !== 'regex' || filter.value !== '(') continue;
      const detail = 'The value of regex must be a regular expression in RE2’s syntax: missing closing ).';
      return {
        problem: { status: 400, code: 'invalid_question', field: `series[${i}].filters[${j}].value`, detail },
      };
    }
  }
  return undefined;
}

function trends(question) {
  const refused = refusal(question);
  if (refused) return refused;
  const buckets = bucketsOf(question);
  const groups = question.breakdowns?.length ? [...COUNTRIES, 'BE', 'CH'] : [undefined];
  const daily = (event) =>
    event === '*' ? 9000 : (EVENTS.find(([name]) => name === event)?.[1] ?? 900) / 30;
  const series = question.series.flatMap(({ name, event, measure }) =>
    groups.map((group, g) => {
      const size = daily(event) / (measure === 'total' ? 1 : 3) / (groups.length > 1 ? g + 1.4 : 1);
      const values = buckets.map((bucket, i) =>
        countIn(bucket, i, buckets, { size, name: event + group + measure }),
      );
      const sum = values.reduce((a, b) => a + b, 0);
      const total = measure === 'total' ? sum : Math.round(sum * 0.62);
      return {
        name,
        ...(group === undefined ? {} : { breakdown: [group] }),
        period: 'current',
        values,
        total,
      };
    }),
  );
  const as_of = { time: new Date().toISOString(), positions: {} };
  return { buckets, series, as_of, elapsed_ms: 3 + random() * 6 };
}

const keys = [
  {
    id: 'src_1',
    kind: 'write',
    name: 'Web shop',
    key: 'wk_7Kq2mVbXo4Tn9RsLw1YcPz3E',
    hint: 'wk_…Pz3E',
    origins: ['https://shop.example'],
    created_at: '2026-09-02T10:00:00Z',
  },
  { id: 'src_2', kind: 'secret', name: 'Backend', hint: 'sk_…h4Qd', created_at: '2026-09-02T10:00:00Z' },
  {
    id: 'src_3',
    kind: 'secret',
    name: 'Old import',
    hint: 'sk_…9aXe',
    created_at: '2026-08-11T10:00:00Z',
    revoked_at: '2026-09-10T08:00:00Z',
  },
];
const me = {
  email: 'ada@example.com',
  workspaces: [
    { id: 'shop', name: 'Riverside shop', timezone: 'Europe/Paris', currency: 'EUR', role: 'owner' },
    { id: 'docs', name: 'Docs site', timezone: 'UTC', currency: 'USD', role: 'analyst' },
  ],
};

const routes = [
  ['GET', /^\/api\/v1\/setup$/, () => ({ needed: setupNeeded })],
  [
    'POST',
    /^\/api\/v1\/setup$/,
    () => {
      setupNeeded = false;
      return { cookie: true };
    },
  ],
  [
    'POST',
    /^\/api\/v1\/sign-in$/,
    (_, body) =>
      body.password === 'wrong'
        ? {
            problem: {
              status: 401,
              code: 'wrong_password',
              detail: 'The e-mail address or the password is wrong.',
            },
          }
        : { cookie: true },
  ],
  ['POST', /^\/api\/v1\/sign-out$/, () => ({ cookie: false })],
  [
    'GET',
    /^\/api\/v1\/me$/,
    (_, __, request) =>
      request.headers.cookie?.includes('weir_session=1')
        ? me
        : { problem: { status: 401, code: 'not_signed_in', detail: 'Sign in.' } },
  ],
  [
    'POST',
    /^\/api\/v1\/workspaces$/,
    (_, body) => {
      me.workspaces.push({ ...body, role: 'owner' });
      return {
        workspace: body,
        write_key: keys[0],
        secret_key: { ...keys[1], key: 'sk_3nP8sWv5Yd0KfGh2JqLzXcVbNm1QwErTyUiOpAsDfGh4Qd' },
      };
    },
  ],
  [
    'GET',
    /\/usage$/,
    () => ({
      items_today: empty ? 0 : 41203 + log.length,
      queue_lag: 0,
      events: empty ? 0 : 296000 + log.length,
    }),
  ],
  ['GET', /\/keys$/, () => ({ keys })],
  [
    'POST',
    /\/keys$/,
    (_, body) => {
      const made = {
        id: id(),
        ...body,
        key:
          body.kind === 'write'
            ? 'wk_Nf4Lp0ZrXt6Bw8VyQe2SgKu5'
            : 'sk_3nP8sWv5Yd0KfGh2JqLzXcVbNm1QwErTyUiOpAsDfGh4Qd',
        hint: 'sk_…f4Qd',
        created_at: new Date().toISOString(),
      };
      keys.push(body.kind === 'write' ? made : { ...made, key: undefined });
      return made;
    },
  ],
  [
    'DELETE',
    /\/keys\/([^/]+)$/,
    ([, key]) => {
      const found = keys.find((k) => k.id === key);
      if (found) found.revoked_at = new Date().toISOString();
      return undefined;
    },
  ],
  [
    'GET',
    /\/events\/names$/,
    () => ({ events: empty ? [] : EVENTS.map(([name, count]) => ({ name, count })) }),
  ],
  [
    'GET',
    /\/properties$/,
    (_, __, ___, query) => ({
      properties:
        query.get('on') === 'user'
          ? [
              { name: 'country', on: 'user', types: ['string'] },
              { name: 'plan', on: 'user', types: ['string'] },
            ]
          : [
              ['$browser', 'string'],
              ['$country', 'string'],
              ['$page', 'string'],
              ['price', 'number'],
              ['product', 'string'],
              ['variant', 'string'],
              ['$utm_source', 'string'],
            ].map(([name, type]) => ({ name, on: 'event', types: [type] })),
    }),
  ],
  [
    'GET',
    /\/properties\/([^/]+)\/values$/,
    ([, property], __, ___, query) => ({
      values: (/country/.test(property)
        ? COUNTRIES.filter(Boolean)
        : property === 'product'
          ? PRODUCTS
          : ['free', 'plus', 'sand', 'ink', 'moss']
      ).filter((v) => v.toLowerCase().includes((query.get('contains') ?? '').toLowerCase())),
    }),
  ],
  ['POST', /\/query$/, (_, body) => trends(body)],
  [
    'GET',
    /\/items$/,
    (_, __, ___, query) => {
      const wanted = log.filter(
        (row) =>
          ['status', 'kind'].every((n) => !query.get(n) || row[n] === query.get(n)) &&
          (!query.get('user') || row.user_id === query.get('user')) &&
          (!query.get('item') || row.item_id === query.get('item')) &&
          (!query.get('receipt') || row.receipt === query.get('receipt')),
      );
      const start = Number(query.get('cursor') || 0);
      const end = start + Number(query.get('limit') ?? 50);
      return { items: wanted.slice(start, end), ...(end < wanted.length ? { next: String(end) } : {}) };
    },
  ],
  [
    'GET',
    /\/items\/([^/]+)$/,
    ([, key]) => {
      const row = log.find((r) => r.position === key || r.item_id === key);
      if (!row) return { problem: { status: 404, code: 'unknown_item', detail: 'There is no such item.' } };
      const { item, ...rest } = row;
      const applied = row.status === 'stored';
      const steps = [
        {
          name: 'received',
          at: row.received_at,
          detail: `Request ${row.receipt}, item 0, from ${row.source_name}`,
        },
        { name: 'outcome', at: new Date(Date.parse(row.received_at) + 41).toISOString(), detail: row.status },
      ];
      if (applied)
        steps.push(
          { name: 'person', detail: `Person ${row.person}` },
          { name: 'event', detail: `Event “${row.name ?? row.kind}” at ${row.time}` },
        );
      const effects = applied ? effectsOf(row, item) : {};
      return { row: rest, item, ...effects, steps };
    },
  ],
  [
    'POST',
    /\/items\/replay$/,
    (_, body) => {
      const start = Number(body.cursor || 0);
      const more = start < 3;
      return {
        receipt: `rcp_${id().slice(0, 8)}`,
        replayed: 980 - start * 90,
        skipped: 20 + start * 90,
        more,
        ...(more ? { next: String(start + 1) } : {}),
      };
    },
  ],
  [
    'POST',
    /\/items\/([^/]+)\/replay$/,
    ([, key]) => {
      const row = log.find((r) => r.position === key);
      if (row?.status === 'rejected')
        return {
          problem: {
            status: 409,
            code: 'still_rejected',
            detail: `The item would be rejected again, with the code ${row.code}: ${row.message}`,
          },
        };
      sequence += 1;
      const again = {
        ...row,
        position: `${row.position.split('.')[0]}.${sequence}`,
        receipt: `rcp_${sequence}`,
      };
      setTimeout(() => log.unshift({ ...again, received_at: new Date().toISOString() }), 1200);
      return { receipt: again.receipt };
    },
  ],
];

/** The session of a stored item, the conversion that an order is, and who is who. */
function effectsOf(row, item) {
  const { session, user } = item;
  const source = {
    source: session.utm_source,
    medium: session.utm_medium,
    landing_page: session.landing_page,
  };
  const visit = {
    id: session.external_id,
    number: 4711,
    origin: 'sent',
    user: user.external_id,
    started_at: new Date(Date.parse(row.received_at) - 184000).toISOString(),
    ended_at: row.received_at,
    duration: 184,
    pageviews: 5,
    interactions: 2,
    bounced: false,
    channel: { google: 'Paid Search', newsletter: 'Email' }[session.utm_source] ?? 'Direct',
    source,
  };
  const edge = {
    id: `${id()}.1`,
    from: id(),
    to: user.external_id,
    at: row.time,
    item: `${item.kind}:${row.item_id}`,
    rule: 'item',
    status: 'joined',
  };
  if (item.kind !== 'order') return { session: visit };
  const cents = item.order.total_price;
  const half = Math.floor(cents / 2);
  const touch = (days, channel, role, first, last, linear) => ({
    session: 4711 - days,
    at: new Date(Date.parse(row.time) - days * 86400000).toISOString(),
    channel,
    role,
    credits: { first, last, linear, participation: cents },
  });
  const conversion = {
    id: `order:${row.item_id}`,
    goal: 'order',
    user: user.external_id,
    at: row.time,
    value_cents: cents,
    amount_cents: cents,
    currency: 'EUR',
    touches: [
      touch(4, 'Organic Search', 'initiator', cents, 0, cents - half),
      touch(0, visit.channel, 'closer', 0, cents, half),
    ],
  };
  return { session: visit, conversion, edges: [edge] };
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  if (url.pathname.endsWith('/live')) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write('retry: 1000\n\n');
    listeners.add(response);
    request.on('close', () => listeners.delete(response));
    return;
  }
  let text = '';
  for await (const chunk of request) text += chunk;
  const send = (status, value, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(value === undefined ? '' : JSON.stringify(value));
  };
  for (const [method, pattern, answer] of routes) {
    const match = method === request.method && url.pathname.match(pattern);
    if (!match) continue;
    const value = answer(match, text ? JSON.parse(text) : {}, request, url.searchParams);
    if (value?.problem) return send(value.problem.status, value.problem);
    if (value && 'cookie' in value)
      return send(
        200,
        {},
        {
          'Set-Cookie': value.cookie
            ? 'weir_session=1; Path=/; HttpOnly; SameSite=Lax'
            : 'weir_session=; Path=/; Max-Age=0',
        },
      );
    return send(value === undefined ? 204 : 200, value);
  }
  return send(404, { status: 404, code: 'not_found', detail: 'The mock does not know this path.' });
}).listen(port, '127.0.0.1', () => console.log(`mock server on http://127.0.0.1:${port}`));
