// A hundred downloads at once, an echo, and trailers.
const http2 = require('http2');
const assert = require('assert');

const session = http2.connect(`http://127.0.0.1:${process.argv[1]}`);

function ask(fields, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(fields);
    const pieces = [];
    let head, trailers;
    stream.on('response', (fields) => { head = fields; });
    stream.on('trailers', (fields) => { trailers = fields; });
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => resolve({ head, trailers, body: Buffer.concat(pieces) }));
    stream.on('error', reject);
    stream.end(body);
  });
}

async function run() {
  const downloads = [];
  for (let n = 0; n < 100; n += 1) {
    downloads.push(ask({ ':path': `/bytes/${n * 100}` }).then(({ head, body }) => {
      assert.strictEqual(head[':status'], 200);
      assert.strictEqual(body.length, n * 100);
    }));
  }
  await Promise.all(downloads);
  const whole = Buffer.alloc(300000, 'raddle');
  const echo = await ask({ ':path': '/echo', ':method': 'POST' }, whole);
  assert.ok(echo.body.equals(whole));
  const { trailers } = await ask({ ':path': '/trailers' });
  assert.strictEqual(trailers['x-checksum'], '31');
  console.log('100 downloads, an echo and trailers');
  session.close();
}

run().catch((error) => { console.error(error); process.exit(1); });
