import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { testEvent } from '../support/service.js'
import { closeBrowser, isLive, openBrowser, type Page } from './browser.js'
import { becomes, rows, start, WRONG } from './page.js'

after(closeBrowser)

test('what arrives is there at once, accepted and refused side by side', async t => {
  const { service, page } = await start(t)
  await page.getByText('Nothing was refused.').waitFor()
  await service.post(testEvent())
  await rows(page, 'accepted').waitFor()
  await service.post(WRONG)
  await rows(page, 'refused').waitFor()
  await becomes(
    () => page.locator('.lane.refused .row').innerText(),
    /eventgate\.test\.event\s.*\s\/test should be string/s,
  )
  await becomes(() => page.locator('.lane.accepted .row').count(), 1)
  const boxes = await Promise.all(
    ['refused', 'accepted'].map(name => page.locator(`.lane.${name}`).boundingBox()),
  )
  assert.equal(boxes[0]?.y, boxes[1]?.y)
  await page.locator('#total-refused').filter({ hasText: '1' }).waitFor()
  await becomes(() => page.locator('#by-stream').innerText(), /eventgate\.test\.event\s+1\s+1/)
  await page.locator('#by-stream button').click()
  const account = /received\s+2\s+accepted\s+1\s+refused: validation_failed\s+1/
  await becomes(() => page.locator('#account').innerText(), account)
  await page.locator('#by-stream button').click()
  await becomes(() => page.locator('#account').isVisible(), false)
  await becomes(() => page.locator('#by-schema').innerText(), /\/test\/event\/1\.0\.0\s+1\s+1/)
  await becomes(() => page.locator('#timeline-text').innerText(), /1 accepted, 1 refused/)
  await becomes(async () => (await page.locator('#timeline rect').count()) >= 2, true)
})

test('a stopped list stays as it is, and a list that was scrolled stays where it is', async t => {
  const { service, page } = await start(t)
  for (let i = 0; i < 5; i++) await service.post(Array.from({ length: 10 }, () => testEvent()))
  await page.locator('.lane.accepted .count', { hasText: '50' }).waitFor()
  const list = page.locator('#accepted-rows')
  const firstSeen = async () => {
    const { x = 0, y = 0 } = (await list.boundingBox()) ?? {}
    return page.evaluate(`document.elementFromPoint(${x + 50}, ${y + 10}).closest('.row').id`)
  }
  await list.evaluate(box => {
    box.scrollTop = 54 * 20
  })
  await page.locator('#accepted-30').waitFor()
  await becomes(firstSeen, 'accepted-30')
  await service.post([testEvent(), testEvent()])
  await page.locator('.lane.accepted .news', { hasText: '2 new' }).waitFor()
  await becomes(firstSeen, 'accepted-30')
  await page.locator('.lane.accepted .news').click()
  await page.locator('#accepted-52').waitFor()
  await page.click('#pause')
  await service.post(testEvent())
  await delay(500)
  await becomes(() => page.locator('.lane.accepted .count').innerText(), '52')
  await page.click('#pause')
  await page.locator('.lane.accepted .count', { hasText: '53' }).waitFor()
})

interface TraceEvent {
  name: string
  ph: string
  pid: number
  tid: number
  tdur?: number
  args?: { name?: string }
}

/** CPU time of the longest task of a page's main thread while `work` is done, milliseconds: others' load is not in it. */
async function longestTask(page: Page, work: () => Promise<void>): Promise<number> {
  const browser = await openBrowser()
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] })
  await work()
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as {
    traceEvents: TraceEvent[]
  }
  const mains = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  )
  const tasks = traceEvents.filter(
    ({ name, ph, pid, tid, tdur }) =>
      ph === 'X' && name.endsWith('RunTask') && tdur !== undefined && mains.has(`${pid} ${tid}`),
  )
  assert.ok(tasks.length > 0, 'the trace has no tasks with their CPU time')
  return Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000
}

test('1,000 events a second for 5 s leave no task above 200 ms in the main thread', async t => {
  const { service, page } = await start(t)
  const blocked = await longestTask(page, async () => {
    // A number of steps, not a time: on a busy machine a task gets a part of the CPU only.
    await page.evaluate(
      '{ let sum = 0; for (let i = 0; i < 3e8; i++) sum = (sum * 31 + i) | 0; window.sum = sum }',
    )
  })
  assert.ok(blocked > 100, `a long loop is measured as ${blocked} ms`)

  await page.evaluate(`{
    window.longTasks = []
    new PerformanceObserver(list => longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })
  }`)
  let took = 0
  const longest = await longestTask(page, async () => {
    const begun = Date.now()
    for (let i = 0; i < 100; i++) {
      const events = Array.from({ length: 50 }, (_, j) =>
        testEvent({ test: j % 10 === 0 ? j : `event ${i} ${j}`, test_map: { a: 'x'.repeat(200) } }),
      )
      assert.equal((await service.post(events)).status, 207)
      await delay(Math.max(0, begun + (i + 1) * 50 - Date.now()))
    }
    took = Date.now() - begun
    await page.locator('#accepted-5000').waitFor()
  })
  const wall = (await page.evaluate('longTasks')) as number[]
  t.diagnostic(
    `5000 events in ${took} ms; longest task ${longest.toFixed(1)} ms of CPU; long tasks by the clock: ${wall.map(Math.round).join(', ') || 'none'}`,
  )
  assert.ok(longest < 200, `a task took ${longest} ms of CPU`)
  // It is all of it bounded: what is held, and what is in the document.
  assert.equal(
    Number(await page.locator('.lane.accepted .count').innerText()) +
      Number(await page.locator('.lane.refused .count').innerText()),
    1000,
  )
  assert.ok((await page.locator('*').count()) < 1500)
  await page.locator('#total-accepted', { hasText: '4500' }).waitFor()
  await isLive(page)
})
