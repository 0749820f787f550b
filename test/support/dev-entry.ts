import type { Entry } from '#src/lib/dev/entry.js'

/** An accepted event, as a recorder takes it. */
export function entryOf(more: Partial<Entry> = {}): Omit<Entry, 'seq'> {
  return {
    receivedAt: 1_000_000,
    requestId: 'r',
    index: 0,
    delivery: 'guaranteed',
    outcome: 'accepted',
    stream: 's',
    schemaUri: '/a/b/1.0.0',
    text: '{}',
    cut: false,
    produced: null,
    error: null,
    request: { headers: {}, clientIp: undefined },
    query: {},
    ...more,
  }
}
