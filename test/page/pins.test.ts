import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { send, testEvent } from '../support/service.js'
import { closeBrowser } from './browser.js'
import { becomes, button, open, rows, start, WRONG } from './page.js'

after(closeBrowser)

test('what is pinned outlasts a reset, a reload and the service’s memory', async t => {
  const { service, page } = await start(t, { mayComplain: /status of 404/ })
  await service.post(WRONG)
  await open(page, 'refused')
  await button(page, 'Pin').click()
  await page.locator('#pin-list .pin', { hasText: '/test should be string' }).waitFor()
  await service.post(testEvent())
  await rows(page, 'accepted').waitFor()
  await page.click('#reset')
  await page.getByText('Nothing was refused.').waitFor()
  await page.locator('#total-accepted', { hasText: /^0$/ }).waitFor()
  await becomes(() => page.locator('.row').count(), 0)
  assert.equal((await send(`${service.url}/_dev/events`)).json().kept, 0)
  await page.reload()
  await page.locator('#pin-list .pin').click()
  await page.getByText('test must be text; it is the number 42').first().waitFor()
  await button(page, 'Unpin').click()
  await page.locator('#pins').waitFor({ state: 'hidden' })
})
