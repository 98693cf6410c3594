// For NODE_OPTIONS=--require: the optional package koffi as it is where npm could not install it.
const Module = require('node:module')

const resolve = Module._resolveFilename
Module._resolveFilename = (request, ...others) => {
  if (request !== 'koffi') return resolve(request, ...others)
  throw Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' })
}
