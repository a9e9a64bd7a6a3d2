// Fails if the script has grown beyond what pages are promised.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const most = 6 * 1024

const script = readFileSync(new URL('../dist/weir.js', import.meta.url))
const gzipped = gzipSync(script, { level: 9 }).length
console.log(`weir.js: ${script.length} bytes, ${gzipped} gzipped (at most ${most})`)
if (gzipped > most) process.exit(1)
