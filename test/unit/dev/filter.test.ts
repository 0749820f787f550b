import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Filter, matcher } from '#src/lib/dev/filter.js'
import { entryOf } from '../../support/dev-entry.js'

const ENTRIES = [
  { seq: 1, ...entryOf({ stream: 'one', text: '{"a":"Needle"}' }) },
  {
    seq: 2,
    ...entryOf({
      schemaUri: '/a/b/2.0.0',
      outcome: 'refused',
      error: { code: 'x', message: 'a Reason', errors: [] },
    }),
  },
  { seq: 3, ...entryOf({ schemaUri: '/a/bc/1.0.0', outcome: 'failed', requestId: 'q' }) },
  { seq: 4, ...entryOf({ schemaUri: null, stream: null, outcome: 'unknown' }) },
]

const CASES: [Filter, number[]][] = [
  [{}, [1, 2, 3, 4]],
  [{ stream: 'one' }, [1]],
  [{ schema: '/a/b/1.0.0' }, [1]],
  [{ schema: 'a/b' }, [1, 2]],
  [{ schema: '/a/b/' }, [1, 2]],
  [{ outcome: 'refused' }, [2]],
  [{ outcome: 'refused,unknown' }, [2, 4]],
  [{ code: 'x' }, [2]],
  [{ request_id: 'q' }, [3]],
  [{ text: 'needle' }, [1]],
  [{ text: 'reason' }, [2]],
  [{ text: 'reason', outcome: 'accepted' }, []],
]

for (const [filter, expected] of CASES)
  test(`the filter ${JSON.stringify(filter)} finds ${JSON.stringify(expected)}`, () => {
    const found = ENTRIES.filter(matcher(filter)).map(({ seq }) => seq)
    assert.deepEqual(found, expected)
  })
