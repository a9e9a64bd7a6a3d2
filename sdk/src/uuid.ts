/**
 * A UUID of version 7: it begins with the time, so that the server's index of ids that it has seen
 * grows at one end. It is made by hand because crypto.randomUUID exists on https pages only.
 */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(10))
  const random = Array.from(bytes, (b) => (256 + b).toString(16).slice(1)).join('')
  const time = Date.now().toString(16).padStart(12, '0')
  const variant = '89ab'[(bytes[2] as number) >> 6] // of hex digit 4, which is used nowhere else
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(1, 4)}-${variant}${random.slice(5, 8)}-${random.slice(8)}`
}
