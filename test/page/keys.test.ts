import { after, test } from 'node:test'
import { testEvent } from '../support/service.js'
import { closeBrowser } from './browser.js'
import { becomes, isSaid, start } from './page.js'

after(closeBrowser)

test('all of it can be done by keys alone', async t => {
  const { service, page } = await start(t)
  for (let i = 0; i < 40; i++) await service.post(testEvent({ test: i % 2 ? i : `text ${i}` }))
  await page.locator('.lane.refused .count', { hasText: '20' }).waitFor()
  const { keyboard } = page
  const focused = (): Promise<string> => page.evaluate('document.activeElement.id')
  await keyboard.press('?')
  await page.getByRole('dialog').waitFor()
  await keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  await keyboard.press('/')
  await becomes(() => focused(), 'filter-text')
  await keyboard.type('number')
  await keyboard.press('Control+a')
  await keyboard.press('Delete')
  await keyboard.press('Escape')
  await becomes(() => focused(), 'refused-rows')
  await keyboard.press('j')
  await keyboard.press('j')
  await keyboard.press('ArrowDown')
  await keyboard.press('k')
  const active = await page.locator('#refused-rows').getAttribute('aria-activedescendant')
  await becomes(() => page.locator(`#${active}`).getAttribute('aria-posinset'), '2')
  await keyboard.press('End')
  await becomes(() => page.locator('.row[aria-selected=true]').getAttribute('aria-posinset'), '20')
  await keyboard.press('Enter')
  await page.locator('#detail .meta', { hasText: '#2 ·' }).waitFor()
  await page.waitForFunction(`document.activeElement.id === 'detail-title'`)
  // On to the suggestion's button.
  for (let i = 0; i < 30; i++) {
    await keyboard.press('Tab')
    if ((await page.evaluate('document.activeElement.textContent')) === 'Apply in the editor') break
  }
  await keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Would be accepted' }).waitFor()
  await becomes(() => focused(), 'editor-text')
  await keyboard.press('Control+Enter')
  await isSaid(page, 'Sent: accepted')
  // A way out of the text that is no Tab.
  await keyboard.press('Escape')
  await becomes(() => focused(), 'editor-send')
  await keyboard.press('1')
  await page.locator('.lane.accepted .count', { hasText: '21' }).waitFor()
  await keyboard.press('l')
  await becomes(() => focused(), 'accepted-rows')
  await page.locator('#detail .badge.accepted').waitFor()
  await keyboard.press('p')
  await page.locator('#pin-list li').waitFor()
  await keyboard.press('Escape')
  await page.locator('#overview').waitFor()
})
