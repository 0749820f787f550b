import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberOf } from '#src/lib/yaml-numbers.js'

test('numbers of YAML 1.1: bases, underscores, sexagesimals, infinities', () => {
  const numbers: [text: string, value: number][] = [
    ['0', 0],
    ['-12', -12],
    ['1_000', 1000],
    ['0100', 64],
    ['0b101', 5],
    ['-0x1F', -31],
    ['1:30', 90],
    ['-1:30', -90],
    ['1:30.5', 90.5],
    ['1.5e3', 1500],
    ['.5', 0.5],
    ['-.5', -0.5],
    ['-.inf', -Infinity],
    ['.NaN', Number.NaN],
  ]
  for (const [text, value] of numbers) assert.deepEqual(numberOf(text), value, text)
})

test('what only looks like a number is not one', () => {
  for (const text of ['', '-', '.', '1_', '089', '0o17', '1e', '1:60', '2020-01-01', '+.nan', 'e5'])
    assert.equal(numberOf(text), undefined, text)
})
