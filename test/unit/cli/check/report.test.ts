import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCodeOf, type Problem, type Report, type Result, sarifOf, textOf } from '#src/cli/check/report.js'

const result = (more: Partial<Result>): Result => ({
  ...{ schema: 'a', from: '1.0.0', to: '1.1.0', verdict: 'compatible', sameMajor: true },
  ...{ event: null, rule: null, file: 'a/1.1.0.yaml', line: 1, sample: null },
  ...more,
})
const BREAKS: Partial<Result> = {
  verdict: 'breaks',
  event: { text: 'x'.repeat(100) },
  rule: { path: '.text', keyword: 'maxLength', message: 'should NOT be longer than 9 characters' },
}
const problem = (severity: Problem['severity']): Problem => ({
  ...{ code: 'id_missing', severity, message: 'it has no $id', file: 'a/1.0.0.yaml', line: 3 },
})
const report = (results: Result[], problems: Problem[] = []): Report => ({
  ...{ results, problems, schemas: 2, streams: 0 },
})

test('what fails, and what fails only if it is strict', () => {
  const cases: [report: Report, exitCode: number, strict: number][] = [
    [report([result({})]), 0, 0],
    [report([result(BREAKS)]), 1, 1],
    [report([result({ ...BREAKS, sameMajor: false })]), 0, 1],
    [report([result({ verdict: 'cannot_tell' })]), 0, 1],
    [report([], [problem('warning')]), 0, 1],
    [report([], [problem('error')]), 1, 1],
  ]
  for (const [checked, exitCode, strict] of cases)
    assert.deepEqual([exitCodeOf(checked, false), exitCodeOf(checked, true)], [exitCode, strict])
})

test('the text says what breaks, why, and for which event, shortened', () => {
  const text = textOf(report([result(BREAKS)], [problem('error')]), false)
  assert.match(text, /^error: a\/1\.0\.0\.yaml:3 it has no \$id \(id_missing\)$/m)
  assert.match(text, /^a 1\.0\.0 → 1\.1\.0: breaks\n {2}\.text should NOT be longer.* \(maxLength\)$/m)
  assert.match(text, /accepts and 1\.1\.0 refuses \{"text":"x{40}… \(100 characters\)"\}/)
  assert.match(text, /0 compatible, 1 break, 0 cannot be told; 1 errors, 0 warnings\n$/)
})

test('SARIF has a result for each problem, and for each version that is not compatible', () => {
  const sarif = sarifOf(report([result({}), result(BREAKS)], [problem('warning')]), false, '1.2.3')
  const { runs } = JSON.parse(JSON.stringify(sarif))
  assert.equal(runs[0].tool.driver.version, '1.2.3')
  assert.deepEqual(
    runs[0].results.map(({ ruleId, level }: { ruleId: string; level: string }) => [ruleId, level]),
    [
      ['id_missing', 'warning'],
      ['breaks', 'error'],
    ],
  )
})
