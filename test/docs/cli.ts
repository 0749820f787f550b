import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dashboards, FOLDER } from '../../helm/dashboards.js'
import { CHART_README, generatedReadme, generatedSchema, SCHEMA } from './chart-schema.js'
import * as config from './configuration.js'
import * as errors from './errors.js'
import * as evidence from './evidence.js'
import * as metrics from './metrics.js'

evidence.followMoves()
for (const { PAGE, generated } of [config, errors, evidence, metrics]) writeFileSync(PAGE, generated())
writeFileSync(errors.OPERATIONS_PAGE, errors.generatedOperations())
writeFileSync(SCHEMA, generatedSchema())
writeFileSync(CHART_README, generatedReadme())
for (const [name, text] of Object.entries(dashboards())) writeFileSync(join(FOLDER, name), text)
