import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/service.js'

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    match => match[1] as string,
  )

test('what the README shows of curl is what curl shows', async t => {
  const [install = '', tests = ''] = blocks('sh')
  assert.equal(install, 'npm ci && npm start\n')
  assert.equal(tests, 'npm ci && npm test\n')
  const child = spawn(process.execPath, ['dist/server.js', '-c', 'config.dev.yaml'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => void child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    let out = ''
    child.stderr.on('data', chunk => {
      out += chunk
    })
    child.stdout.on('data', chunk => {
      out += chunk
      if (out.includes('is ready on port 8192')) resolve()
    })
    child.once('exit', code => reject(new Error(`ended with ${code}; is port 8192 taken? ${out}`)))
  })
  const shown = blocks('console')
  assert.equal(shown.length, 2)
  for (const block of shown) {
    const [command = '', ...output] = block.split('\n')
    assert.match(command, /^\$ curl /)
    const { stdout, error } = spawnSync('bash', ['-c', command.slice(2)], { encoding: 'utf8' })
    assert.equal(error, undefined)
    assert.equal(stdout, output.join('\n'))
  }
})

test('what the README and the documents link to is there', () => {
  const documents = readdirSync(join(ROOT, 'docs')).filter(file => file.endsWith('.md'))
  for (const document of ['README.md', ...documents.map(file => `docs/${file}`)]) {
    const text = readFileSync(join(ROOT, document), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      const path = join(ROOT, document, '..', target)
      assert.doesNotThrow(
        () => (target.endsWith('/') ? null : readFileSync(path)),
        `${document} links to ${target}`,
      )
    }
  }
})

test('the README’s figures are those that were measured', () => {
  const paragraph = readme
    .split('\n')
    .find(line => line.includes('](bench/RELIABILITY.md)') && /\d{4}/.test(line))
  const measured = readFileSync(join(ROOT, 'bench/RELIABILITY.md'), 'utf8')
  const figures = paragraph?.match(/\d+(\.\d+ %|\d{3})/g) ?? []
  assert.ok(figures.length >= 3, String(figures))
  for (const figure of figures) assert.ok(measured.includes(figure), figure)
})
