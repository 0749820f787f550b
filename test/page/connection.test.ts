import { after, test } from 'node:test'
import { freePort } from '../support/http.js'
import { testEvent } from '../support/service.js'
import { closeBrowser, isLive, openPage, startDev } from './browser.js'
import { open, rows, start } from './page.js'

after(closeBrowser)

test('a service that goes is said to be gone, and one that comes again is shown from its start', async t => {
  const port = await freePort()
  const first = await startDev(t, { port })
  const page = await openPage(t, first, { mayComplain: /Failed to load resource|ERR_|interrupted/ })
  for (let i = 0; i < 3; i++) await first.post(testEvent({ test: 'of the first' }))
  await rows(page, 'accepted').nth(2).waitFor()
  await first.stop()
  await page.locator('#live.is-cut', { hasText: 'Cut off' }).waitFor()
  const second = await startDev(t, { port })
  await second.post(testEvent({ test: 'of the second' }))
  await isLive(page)
  await page.locator('.lane.accepted .count', { hasText: /^1$/ }).waitFor()
  await open(page, 'accepted')
  await page.locator('#detail', { hasText: 'of the second' }).waitFor()
})

test('a page that is behind says so', async t => {
  const { page } = await start(t)
  await page.route('**/_dev/events?limit=1', route =>
    route.fulfill({ json: { entries: [{ seq: 5000 }], total_seen: 5000, kept: 1000, dropped: 4000 } }),
  )
  await page.locator('#live.is-behind', { hasText: 'Behind: 5000 events' }).waitFor()
  await page.unroute('**/_dev/events?limit=1')
  await isLive(page)
})
