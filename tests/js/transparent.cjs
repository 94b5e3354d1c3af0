// What a network does that redirects port 443 to the gate (DNS, a route, iptables), done inside the process because a
// test may not change the machine: connections to a Bedrock host end at $TRANSPARENT_ADDRESS. Names, TLS, signatures
// and requests are the SDK's own.
//
//     NODE_OPTIONS="--require ./transparent.cjs" TRANSPARENT_ADDRESS=127.0.0.1:10443 node application.mjs
'use strict';
const net = require('node:net');

const colon = process.env.TRANSPARENT_ADDRESS.lastIndexOf(':');
const gate = {
  host: process.env.TRANSPARENT_ADDRESS.slice(0, colon),
  port: Number(process.env.TRANSPARENT_ADDRESS.slice(colon + 1)),
};
const bedrock = /^bedrock[a-z-]*\.[a-z0-9-]+\.(amazonaws\.com|api\.aws)$/;

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  // Node passes on either what was called (`connect(options, done)`) or that in an array already.
  const call = Array.isArray(args[0]) ? args[0] : args;
  const wanted = call[0];
  if (wanted && bedrock.test(wanted.host ?? '') && Number(wanted.port) === 443) {
    call[0] = { ...wanted, ...gate };
  }
  return connect.apply(this, args);
};
