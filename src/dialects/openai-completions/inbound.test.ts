import { framesOfSse, testInboundFixtures } from '../laws/inbound-fixtures.ts'
import { inbound } from './inbound.ts'

testInboundFixtures(inbound, new URL('fixtures/inbound/', import.meta.url), framesOfSse)
