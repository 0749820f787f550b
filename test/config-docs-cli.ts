import { writeFileSync } from 'node:fs'
import * as config from './config-docs.js'
import * as metrics from './metrics-docs.js'

for (const { PAGE, generated } of [config, metrics]) writeFileSync(PAGE, generated())
