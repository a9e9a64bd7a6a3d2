/** Where a visit comes from, in the session's own field names. */
export type Origin = Record<string, string>

// Parameters by which advertising networks name a click. The first that is there counts.
const clickIds = [
  'gclid',
  'gbraid',
  'wbraid',
  'dclid',
  'fbclid',
  'msclkid',
  'ttclid',
  'li_fat_id',
  'twclid',
  'rdt_cid',
  'epik',
  'ScCid',
]

/** What the address itself says: utm_* parameters and click ids. Undefined if it says nothing. */
export function campaignOf(url: string): Origin | undefined {
  const found: Origin = {}
  let any = false
  const note = (name: string, value: string) => {
    found[name] = value
    any = true
  }
  const parameters = new URL(url).searchParams
  for (const part of ['source', 'medium', 'campaign', 'content', 'term', 'id']) {
    const value = parameters.get(`utm_${part}`)
    if (value) note(`utm_${part}`, value)
  }
  const network = clickIds.find((name) => parameters.get(name))
  if (network) {
    note('utm_id', parameters.get(network) as string)
    note('utm_id_from', network)
  }
  return any ? found : undefined
}

/** The origin of a visit: a campaign where the address names one, else the referring site. */
export function originOf(url: string, referrer: string): Origin {
  let from = ''
  try {
    from = new URL(referrer).host
  } catch {
    // No referrer, or none that is an address.
  }
  if (from === new URL(url).host) from = ''
  const origin: Origin = {
    utm_source: from || 'direct',
    utm_medium: from ? 'referral' : 'none',
    ...campaignOf(url),
  }
  if (from) origin.referrer = referrer
  return origin
}
