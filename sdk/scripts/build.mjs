// Builds the script that the server embeds (dist/weir.js) and the module for bundlers (lib/weir.mjs).
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const from = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const common = { bundle: true, target: 'es2018', legalComments: 'none', charset: 'utf8', logLevel: 'warning' }

await Promise.all([
  build({
    ...common,
    entryPoints: [from('src/browser.ts')],
    outfile: from('dist/weir.js'),
    format: 'iife',
    minify: true,
  }),
  build({ ...common, entryPoints: [from('src/index.ts')], outfile: from('lib/weir.mjs'), format: 'esm' }),
])
