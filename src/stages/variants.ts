import { fault, rewrite, type Offer, type Stage } from '../core/index.ts'

/**
 * The variants of a model that are about the request and not about its endpoints. `:thinking` switches reasoning on,
 * unless the request says how it wants it. (`:online` is the old spelling of the plugin `web`, whose stage reads it.)
 *
 * A request has one text for all of its models: what one of a list asks for, the others get as well.
 */
export function variants(): Stage {
  return {
    name: 'variants',
    wants: (call) => call.offers.some(isAboutTheRequest),
    async request({ asked, offers }) {
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

const isAboutTheRequest = ({ variants: asked }: Offer): boolean => asked.includes('thinking')
