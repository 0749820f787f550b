import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const SOCKET = /^lock\.\w+\.sock$/
const EXAMPLE = 'lock.0123456789ab.sock'
/** A path of a socket has fewer bytes on all systems. */
const MAX_PATH = 100
/** Of several that begin at one moment all may give way to the others; then they try again after a while. */
const ATTEMPTS = 5
const PAUSE_MS = 50

/**
 * Makes sure that no other process uses a directory: who does listens on a socket in it. The kernel ends that with the
 * process, and it works across containers of one machine.
 *
 * Each has a name of its own, which is never used again, and listens before it has it. So one that refuses connections
 * is dead for good. Of two, one at least finds the other and gives way.
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const { path, close } = shortened(directory)
  for (let attempt = 1; ; attempt++) {
    const name = `lock.${randomBytes(6).toString('hex')}`
    const server = await listen(join(path, name)).catch(error => {
      close()
      throw error
    })
    renameSync(join(path, name), join(path, `${name}.sock`))
    const unlock = () => {
      server.close()
      rmSync(join(path, `${name}.sock`), { force: true })
    }
    if (!(await hasHolder(path, `${name}.sock`)))
      return () => {
        unlock()
        close()
      }
    unlock()
    if (attempt === ATTEMPTS) {
      close()
      throw new Error(
        `${directory} is used by another process: end that, or configure another directory for this one`,
      )
    }
    await delay(PAUSE_MS * Math.random())
  }
}

/** Whether some process holds the directory. */
export async function isLocked(directory: string): Promise<boolean> {
  const { path, close } = shortened(directory)
  try {
    return await hasHolder(path)
  } finally {
    close()
  }
}

/** Whether another than `own` is alive. Those that are dead are removed by who wants the lock itself. */
async function hasHolder(path: string, own?: string): Promise<boolean> {
  for (const name of readdirSync(path)) {
    if (name === own || !SOCKET.test(name)) continue
    if (await isAlive(join(path, name))) return true
    if (own) rmSync(join(path, name), { force: true })
  }
  return false
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', reject)
    server.listen(path, () => resolve(server.unref()))
  })
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT' || error.code === 'ENOTSOCK')
        resolve(false)
      else reject(error)
    })
  })
}

/** A path of a directory that is short enough for a socket in it. */
function shortened(directory: string): { path: string; close: () => void } {
  if (Buffer.byteLength(join(directory, EXAMPLE)) <= MAX_PATH) return { path: directory, close: () => {} }
  if (!existsSync('/proc/self/fd'))
    throw new Error(
      `${directory} is too long: a spool needs a path of at most ${MAX_PATH - EXAMPLE.length} bytes`,
    )
  const descriptor = openSync(directory, 'r')
  return { path: `/proc/self/fd/${descriptor}`, close: () => closeSync(descriptor) }
}
