// Preloaded into a peer that can only listen on every address: the bench listens and sends on loopback alone.
const { Server } = require('node:net')
const listen = Server.prototype.listen
Server.prototype.listen = function (...args) {
  if (typeof args[0] === 'number') return listen.call(this, args[0], '127.0.0.1', ...args.slice(1).filter((arg) => typeof arg === 'function'))
  return listen.apply(this, args)
}
