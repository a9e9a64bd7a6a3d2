// A website of another origin that uses weir.js as its documentation says.
import { createServer } from 'node:http'
import { writeKey } from './server.mjs'

const html = (weir, title) => `<!doctype html><html lang="en"><title>${title}</title>
<script>window.weir = window.weir || []</script>
<script async src="${weir}/weir.js" data-key="${writeKey}"></script>
<button>Buy</button>
<script>
  document.querySelector('button').onclick = (event) => {
    weir.push(['track', event.target.dataset.name || 'Bought', { n: event.target.dataset.n || '0', price: 12.5 }])
  }
</script></html>`

/** Only this site and Weir may be talked to: weir.js must do with that. */
const policy = (weir) => `default-src 'self'; script-src 'self' 'unsafe-inline' ${weir}; connect-src ${weir}`

export async function openShop(weir) {
  const server = createServer((request, response) => {
    if (request.url === '/favicon.ico') return void response.writeHead(204).end()
    const title = request.url === '/' ? 'Shop' : `Shop ${request.url}`
    response
      .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy(weir) })
      .end(html(weir, title))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      }),
  }
}
