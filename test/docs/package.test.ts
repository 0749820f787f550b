import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '../support/service.js'

interface Locked {
  version: string
  dev?: boolean
  optional?: boolean
  hasInstallScript?: boolean
}

const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
const production = Object.entries<Locked>(lock.packages).filter(([path, { dev }]) => path !== '' && !dev)
const versionsOf = (name: string) =>
  production.filter(([path]) => path.endsWith(`node_modules/${name}`)).map(([, { version }]) => version)

test('the overrides hold: no tar with known holes, no rate limiter of service-runner', () => {
  const tars = versionsOf('tar')
  assert.equal(tars.length, 1)
  const [major, minor, patch] = (tars[0] as string).split('.').map(Number) as [number, number, number]
  assert.ok(major > 7 || (major === 7 && (minor > 5 || (minor === 5 && patch >= 22))), `tar ${tars[0]}`)
  const path = join(ROOT, 'node_modules/wikimedia-kad-fork/package.json')
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).name, 'empty-npm-package')
})

test('no package that must be had runs anything when it is installed, so that no compiler is needed', () => {
  const building = production
    .filter(([, { hasInstallScript, optional }]) => hasInstallScript && !optional)
    .map(([path]) => path)
  assert.deepEqual(building, [])
})

test('each dependency is imported', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.ts'),
  )
  const text = sources.map(file => readFileSync(join(ROOT, 'src', file), 'utf8')).join('\n')
  for (const name of Object.keys(dependencies))
    assert.match(text, new RegExp(`(from |require\\()'${name}['/]`), name)
})
