#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { check } from './cli/check/check.js'
import { spool } from './cli/spool.js'
import { types } from './cli/types.js'
import { FLAGS, USAGE, UsageError } from './cli/usage.js'
import { validate } from './cli/validate.js'
import { packaged, readInfo } from './wiring.js'

const EX_UNREADABLE = 2

main().catch(error => {
  const hint = error instanceof UsageError ? '\n(see eventgate --help)' : ''
  process.stderr.write(`eventgate: ${(error as Error).message}${hint}\n`)
  process.exitCode = EX_UNREADABLE
})

async function main(): Promise<void> {
  const { values, positionals } = parse()
  const [command, ...files] = positionals
  if (values.help) return void process.stdout.write(USAGE)
  if (values.version) return void process.stdout.write(`${readInfo().version}\n`)
  if (values.dev && command !== 'serve') throw new UsageError('--dev is for serve')
  switch (command) {
    case 'validate':
      process.exitCode = await validate({ ...values, files })
      break
    case 'check':
      process.exitCode = await check({ ...values, files })
      break
    case 'types':
      process.exitCode = await types({ ...values, files })
      break
    case 'spool':
      process.exitCode = await spool({ ...values, files })
      break
    case 'serve':
      if (files.length > 0) throw new UsageError(`serve takes no file: ${JSON.stringify(files[0])}`)
      await serve(values)
      break
    case undefined:
      if (values.config === undefined && !process.env.APP_CONFIG_PATH)
        throw new UsageError(
          'name a command (serve, validate, check, types, spool) or a configuration (-c FILE)',
        )
      await startServer(values.config, values['num-workers'])
      break
    default:
      throw new UsageError(`there is no command ${JSON.stringify(command)}`)
  }
}

function parse() {
  try {
    return parseArgs({ allowPositionals: true, options: FLAGS })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

async function serve({
  config,
  dev,
  'num-workers': workers,
}: {
  config?: string | undefined
  dev?: boolean | undefined
  'num-workers'?: string | undefined
}): Promise<void> {
  if (dev && config !== undefined) throw new UsageError('--dev is a configuration: use it or -c')
  // server.ts prefers the variable to its flag.
  if (dev || config !== undefined) delete process.env.APP_CONFIG_PATH
  await startServer(dev ? packaged('config.dev.yaml') : config, workers)
}

/** server.ts reads the command line. */
async function startServer(file: string | undefined, workers?: string): Promise<void> {
  const flags = { '-c': file, '-n': workers }
  const given = Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]))
  process.argv.splice(2, Infinity, ...given)
  await import('./server.js')
}
