import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

interface LoadOptions {
  /** For what the generator needs to read. */
  folder: string
  core: string
  connections: number
}

/** Posts one body over and over, as fast as it is answered. */
export interface Load {
  name: string
  /** Gives the number of requests answered 2xx; throws if there were others. */
  run(url: string, body: string, seconds: number): Promise<number>
}

/** wrk where it is installed, else autocannon, which takes more CPU for the same load. */
export function makeLoad(options: LoadOptions): Load {
  return spawnSync('wrk', ['-v']).error ? autocannon(options) : wrk(options)
}

function wrk({ folder, core, connections }: LoadOptions): Load {
  return {
    name: 'wrk',
    async run(url, body, seconds) {
      const bodyFile = join(folder, 'body.json')
      const script = join(folder, 'post.lua')
      writeFileSync(bodyFile, body)
      writeFileSync(
        script,
        `wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = io.open("${bodyFile}", "rb"):read("*a")
done = function(summary, latency)
  io.write(string.format('{"requests":%d,"failed":%d}\\n', summary.requests, summary.errors.status + summary.errors.connect + summary.errors.read))
end
`,
      )
      const args = ['-c', core, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url]
      const lastLine = (await output('taskset', args)).trim().split('\n').at(-1) ?? ''
      return counted(/\{"requests.*\}/.exec(lastLine)?.[0])
    },
  }
}

function autocannon({ folder, core, connections }: LoadOptions): Load {
  const program = createRequire(import.meta.url).resolve('autocannon')
  return {
    name: 'autocannon',
    async run(url, body, seconds) {
      const bodyFile = join(folder, 'body.json')
      writeFileSync(bodyFile, body)
      const options = [
        '-j',
        '-n',
        '-c',
        String(connections),
        '-d',
        String(seconds),
        '-m',
        'POST',
        '-i',
        bodyFile,
      ]
      const args = [
        '-c',
        core,
        process.execPath,
        program,
        ...options,
        '-H',
        'content-type=application/json',
        url,
      ]
      const result = JSON.parse(await output('taskset', args))
      return counted(JSON.stringify({ requests: result['2xx'], failed: result.non2xx + result.errors }))
    },
  }
}

async function output(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${text}`)
  return text
}

function counted(json = '{"requests":0,"failed":0}'): number {
  const { requests, failed } = JSON.parse(json)
  if (failed > 0 || requests === 0) throw new Error(`of ${requests} requests ${failed} failed`)
  return requests
}
