import { after, test } from 'node:test'
import { testEvent } from '../support/service.js'
import { closeBrowser } from './browser.js'
import { becomes, open, rows, start } from './page.js'

after(closeBrowser)

test('filters find, and outlast a reload as the URL has them', async t => {
  const { service, page } = await start(t)
  for (const more of [{ test: 'needle' }, { meta: { stream: 'other' } }, { test: ['needle'] }])
    await service.post(testEvent(more))
  await rows(page, 'refused').waitFor()
  await page.fill('#filter-text', 'NEEDLE')
  await page.locator('.lane.accepted .count', { hasText: /^1$/ }).waitFor()
  await page.selectOption('#filter-outcome', 'refused')
  await page.selectOption('#filter-stream', 'eventgate.test.event')
  await page.selectOption('#filter-schema', '/test/event/1.0.0')
  await page.locator('.lane.all .count', { hasText: /^1$/ }).waitFor()
  await open(page, 'refused')
  const filters = 'text=NEEDLE&outcome=refused&stream=eventgate.test.event&schema=/test/event/1.0.0&entry=3'
  const inUrl = async () => `${new URLSearchParams([...new URL(page.url()).searchParams].sort())}`
  await becomes(inUrl, `${new URLSearchParams([...new URLSearchParams(filters)].sort())}`)
  await page.reload()
  await page.locator('#detail .complaint').waitFor()
  await becomes(() => page.locator('.row').count(), 1)
  await becomes(() => page.locator('.row[aria-selected=true]').count(), 1)
  await becomes(() => page.inputValue('#filter-text'), 'NEEDLE')
  await becomes(() => page.inputValue('#filter-stream'), 'eventgate.test.event')
  // What comes later is filtered too.
  await service.post(testEvent({ test: 'no match' }))
  await service.post(testEvent({ test: { a: 'needle' } }))
  await page.locator('.lane.all .count', { hasText: /^2$/ }).waitFor()
  await page.click('#filter-clear')
  await page.locator('.lane.accepted .count', { hasText: /^3$/ }).waitFor()
})
