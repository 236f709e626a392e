// Answers GET /N with N bytes, and echoes what is posted, with trailers behind it.
const http2 = require('http2');

const server = http2.createServer();
server.on('stream', (stream, fields) => {
  if (fields[':method'] === 'GET') {
    stream.respond({ ':status': 200 });
    stream.end('x'.repeat(Number(fields[':path'].slice(1))));
    return;
  }
  let length = 0;
  stream.respond({ ':status': 200 }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-length': String(length) }));
  stream.on('data', (piece) => { length += piece.length; });
  stream.pipe(stream);
});
server.listen(Number(process.argv[2]), '127.0.0.1');
