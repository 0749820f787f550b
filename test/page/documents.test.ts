import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { blocksOf, documentOf, Reader } from '../docs/documents.js'
import { type Reply, send } from '../support/service.js'
import { closeBrowser, findChromium, openBrowser } from './browser.js'
import { becomes } from './page.js'

// What docs/playwright.md and docs/browsers.md show, in the real Chromium.

after(closeBrowser)

/** The service of one who has done the tutorial up to its own schema. */
async function reader(t: TestContext): Promise<Reader> {
  const reader = await Reader.open(t)
  const [start, , , , schema] = blocksOf(documentOf('tutorial.md'))
  assert.equal(schema?.file, 'schemas/shop/click/1.0.0.yaml')
  for (const block of [start, schema]) if (block) await reader.read(block)
  return reader
}

/** Another origin than the gate's, with one page for all paths. */
async function site(t: TestContext, html: string): Promise<string> {
  const server = createServer((_req, res) => void res.setHeader('content-type', 'text/html').end(html))
  server.listen(0, 'localhost')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://localhost:${(server.address() as AddressInfo).port}/`
}

const fileOf = (document: string, name: string): string => {
  const text = blocksOf(documentOf(document)).find(({ file }) => file === name)?.text
  assert.ok(text, `${document} has no ${name}`)
  return text
}

test('docs/playwright.md: its test passes, and fails with what came instead', async t => {
  const gate = await reader(t)
  const blocks = blocksOf(documentOf('playwright.md'))
  assert.deepEqual(
    blocks.map(({ file, language }) => file ?? language),
    ['shop.html', 'shop.test.mjs', 'console'],
  )
  const [html, , command] = blocks
  assert.equal(await gate.read(command as NonNullable<typeof command>), command?.text)

  const run = async (page: string) => {
    gate.write(
      'shop.test.mjs',
      fileOf('playwright.md', 'shop.test.mjs').replace('timeout_ms: 5000', 'timeout_ms: 1000'),
    )
    const SITE = await site(t, gate.here(page))
    const GATE = `http://localhost:${gate.port}`
    const env = { ...process.env, SITE, GATE, CHROMIUM_PATH: findChromium() }
    // Else the inner test runner would think that it is a part of this one.
    delete (env as NodeJS.ProcessEnv).NODE_TEST_CONTEXT
    const child = spawn(process.execPath, ['--test', 'shop.test.mjs'], { cwd: gate.folder, env })
    let out = ''
    child.stdout.on('data', chunk => {
      out += chunk
    })
    const [code] = await once(child, 'close')
    return { code, out }
  }
  const passed = await run(html?.text ?? '')
  assert.equal(passed.code, 0, passed.out)
  assert.match(passed.out, /pass 1\b/)
  const wrong = await run((html?.text ?? '').replace('price: 4.5', 'price: -1'))
  assert.equal(wrong.code, 1)
  assert.match(
    wrong.out,
    /0 of 1 events came within 1000 ms of .*refused shop\.click \/shop\/click\/1\.0\.0: '\.price' should be >= 0/,
  )
})

/** A page of another origin, in which scripts of docs/browsers.md run; and what the gate saw. */
async function visit(t: TestContext) {
  const gate = await reader(t)
  const url = `http://localhost:${gate.port}`
  const browser = await openBrowser()
  const context = await browser.newContext()
  t.after(() => context.close())
  const page = await context.newPage()
  await page.goto(await site(t, '<!doctype html><title>Shop</title>'))
  const run = (name: string) => page.addScriptTag({ content: gate.here(fileOf('browsers.md', name)) })
  const wait = (query: string): Promise<Reply> => send(`${url}/_dev/events/wait?${query}`)
  return { url, page, run, wait }
}

const CLICK = `{ $schema: '/shop/click/1.0.0', meta: { stream: 'shop.click' }, button: 'Buy' }`

test('docs/browsers.md: a beacon arrives though its page is gone', async t => {
  const { page, run, wait } = await visit(t)
  await run('beacon.js')
  await page.close()
  const reply = await wait('outcome=accepted')
  assert.equal(reply.status, 200, reply.body)
  const [{ event, delivery }] = reply.json().entries
  assert.deepEqual([event.button, delivery], ['Leave', 'hasty'])
})

test('docs/browsers.md: a beacon as application/json is queued, and never comes', async t => {
  const { url, page, run, wait } = await visit(t)
  const failed = page.waitForEvent('requestfailed')
  await run('lost-beacon.js')
  assert.equal(await page.evaluate('isQueued'), true)
  await failed
  // One of text that is sent after it is there, and is the first of all.
  await page.evaluate(`navigator.sendBeacon('${url}/v1/events', JSON.stringify(${CLICK}))`)
  const [first, ...others] = (await wait('')).json().entries
  assert.equal(first.outcome, 'accepted')
  assert.deepEqual(others, [])
})

test('docs/browsers.md: fetch with keepalive tells the page why an event is refused', async t => {
  const { page, run, wait } = await visit(t)
  const said: string[] = []
  page.on('console', message => message.type() === 'warning' && said.push(message.text()))
  await run('keepalive.js')
  await page.evaluate(`sendEvent(${CLICK})`)
  assert.deepEqual(said, [])
  await page.evaluate(`sendEvent({ ...${CLICK}, price: -1 })`)
  await becomes(() => said, ["validation_failed: '.price' should be >= 0"])
  await page.evaluate(`sendEvent([${CLICK}, { ...${CLICK}, button: 1 }])`)
  await becomes(() => said[1], "validation_failed: '.button' should be string")
  assert.equal((await wait('outcome=accepted&count=2')).status, 200)

  await page.evaluate(`void sendEvent({ ...${CLICK}, button: 'Last' })`)
  await page.close()
  assert.equal((await wait('outcome=accepted&text=Last')).status, 200)
})

test('docs/browsers.md: application/json needs a preflight, which is answered', async t => {
  const { url, page } = await visit(t)
  const methods: string[] = []
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  session.on('Network.requestWillBeSent', ({ request }) => {
    // Not the page's icon, which comes when it likes.
    if (request.method !== 'GET') methods.push(request.method)
  })
  const post = (type: string) =>
    page.evaluate(
      `fetch('${url}/v1/events', { method: 'POST', headers: { 'content-type': '${type}' }, body: JSON.stringify(${CLICK}) }).then(({ status }) => status)`,
    )
  assert.equal(await post('text/plain'), 201)
  await becomes(() => methods, ['POST'])
  methods.length = 0
  assert.equal(await post('application/json'), 201)
  await becomes(() => methods.toSorted(), ['OPTIONS', 'POST'])
  methods.length = 0
  assert.equal(await post('application/json'), 201)
  await becomes(() => methods, ['POST'])
})

test('docs/browsers.md: above 64 KiB no beacon is sent, and keepalive rejects', async t => {
  const { url, page } = await visit(t)
  const beacon = (length: number) =>
    page.evaluate(`navigator.sendBeacon('${url}/v1/events?hasty=true', ' '.repeat(${length}))`)
  assert.equal(await beacon(65_537), false)
  assert.equal(await beacon(65_536), true)
  const fetched = (keepalive: boolean) =>
    page.evaluate(
      `fetch('${url}/v1/events', { method: 'POST', keepalive: ${keepalive}, body: JSON.stringify(${CLICK}) + ' '.repeat(65_536) })
        .then(({ status }) => status, error => error.name)`,
    )
  assert.equal(await fetched(true), 'TypeError')
  assert.equal(await fetched(false), 201)
})

test('docs/browsers.md: a queue is sent in pieces, and the rest when the page is hidden', async t => {
  const { page, run, wait } = await visit(t)
  await run('queue.js')
  await page.evaluate(`for (let i = 0; i < 25; i++) track({ ...${CLICK}, price: i })`)
  assert.equal((await wait('outcome=accepted&count=20')).json().entries.length, 20)
  await page.goto('about:blank')
  const prices = (await wait('outcome=accepted&count=25'))
    .json()
    .entries.map(({ event }: { event: { price: number } }) => event.price)
  assert.deepEqual(
    prices.sort((a: number, b: number) => a - b),
    Array.from({ length: 25 }, (_, i) => i),
  )
})
