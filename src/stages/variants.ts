import { fault, rewrite, type Fault, type Offer, type Stage, type StageCall } from '../core/index.ts'

/**
 * The variants of a model that are about the request and not about its endpoints. `:thinking` switches reasoning on,
 * unless the request says how it wants it. `:online` is the old spelling of the plugin `web`: nothing here searches the
 * web yet, and an answer that only looks as if it had is worse than none, so both are refused by name.
 *
 * A request has one text for all of its models: what one of a list asks for, the others get as well.
 */
export function variants(): Stage {
  return {
    name: 'variants',
    wants: (call) => call.offers.some(isAboutTheRequest) || call.asked.plugins.some(isWeb),
    async request(call) {
      const refused = offline(call)
      if (refused !== null) return { fault: refused }
      const { asked, offers } = call
      const { request } = asked.operation
      const { effort, maxTokens, enabled } = request.reasoning ?? {}
      const offer = offers.find((it) => it.variants.includes('thinking'))
      if (offer === undefined) return { pass: asked }
      if (effort === 'none' || enabled === false) {
        const field = effort === 'none' ? 'reasoning.effort' : 'reasoning.enabled'
        return { fault: fault('invalid-request', `${field}: contradicts ${offer.requested}, which asks for reasoning`, { field }) }
      }
      if (effort !== undefined || maxTokens !== undefined || enabled === true) return { pass: asked }
      return {
        pass: { ...asked, operation: { type: 'chat', request: rewrite(request, { reasoning: { ...request.reasoning, enabled: true } }) } },
        note: { type: 'plugin', name: 'thinking', summary: `${offer.requested} switches reasoning on`, data: { 'reasoning.enabled': true } },
      }
    },
  }
}

const isAboutTheRequest = ({ variants: asked }: Offer): boolean => asked.includes('online') || asked.includes('thinking')

const isWeb = ({ id, enabled }: StageCall['asked']['plugins'][number]): boolean => id === 'web' && enabled

function offline({ asked, offers }: StageCall): Fault | null {
  const why = 'web search is not available here yet'
  const offer = offers.find((it) => it.variants.includes('online'))
  if (offer !== undefined) {
    return fault('invalid-request', `model: ${offer.requested} asks for web search, and ${why}; name the model without :online`, { field: 'model' })
  }
  const at = asked.plugins.findIndex(isWeb)
  if (at < 0) return null
  const field = `plugins[${at}].id`
  return fault('invalid-request', `${field}: ${why}; leave the plugin "web" out`, { field })
}
