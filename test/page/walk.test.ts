import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { blocksOf, documentOf } from '../docs/documents.js'
import { freePort } from '../support/http.js'
import { ROOT, temporary } from '../support/service.js'
import { closeBrowser, openPage } from './browser.js'

after(closeBrowser)

// A newcomer's walk, from a checkout to an explained refusal in the browser, with nothing built or installed before.
// How long it took is told.

test('from a checkout to an explained refusal in the browser: two commands and a look', async t => {
  const folder = temporary(t)
  for (const name of [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'config.dev.yaml',
    'src',
    'schemas',
  ])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  const port = String(await freePort())
  const here = (text: string) => text.replaceAll('8192', port)
  const config = join(folder, 'config.dev.yaml')
  writeFileSync(config, here(readFileSync(config, 'utf8')))

  const blocks = blocksOf(documentOf('tutorial.md'))
  const [start, refused] = [blocks[0]?.text, blocks[2]?.text.split('\n')[0]?.slice(2)]
  assert.equal(start, 'npm ci && npm start\n')
  assert.match(String(refused), /^curl .*"test":42/)
  // Packages may come from npm's cache, so that a registry that is slow does not fail the test.
  // What .ci/run spares itself, a newcomer's npm does.
  const builds = { npm_config_ignore_scripts: 'false' }
  const env = { ...process.env, ...builds, npm_config_prefer_offline: 'true', npm_config_audit: 'false' }
  const begun = Date.now()
  const child = spawn('bash', ['-c', start], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => void process.kill(-(child.pid as number), 'SIGKILL'))
  let out = ''
  child.stderr.on('data', chunk => {
    out += chunk
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', chunk => {
      out += chunk
      if (out.includes(`is ready on port ${port}`)) resolve()
    })
    child.once('exit', code => reject(new Error(`ended with ${code}: ${out}`)))
  })
  const started = Date.now()
  const page = await openPage(t, { url: `http://localhost:${port}` })
  const opened = Date.now()
  const curl = spawnSync('bash', ['-c', here(refused as string)], { encoding: 'utf8' })
  assert.match(curl.stdout, /400\n$/)
  await page.locator('.row.refused').click()
  await page.locator('.complaint', { hasText: 'test must be text; it is the number 42' }).waitFor()
  const explained = Date.now()
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  t.diagnostic(
    `2 commands: ready after ${seconds(started - begun)}, the page open ${seconds(opened - started)} later, ` +
      `the refusal explained ${seconds(explained - opened)} after its curl; ${seconds(explained - begun)} in all`,
  )
})
