// Zip archives of blobs, which they refer to: nothing is copied, or compressed.

const MOST_BYTES = 2 ** 32 - 65536; // its sizes have 32 bits
const NAMES_IN_UTF8 = 1 << 11;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Resolve to a zip file of `[{name, blob}]`, or to null if it would have more than 4 GB. */
export async function zipped(files) {
  const parts = [];
  const directory = [];
  const now = new Date();
  const time = (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1);
  const date = ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate();
  let place = 0;
  for (const { name, blob } of files) {
    const path = new TextEncoder().encode(name);
    const shared = [20, NAMES_IN_UTF8, 0, time, date];
    const sizes = [await checksum(blob), blob.size, blob.size];
    directory.push(fields([0x02014b50], [20, ...shared], sizes, [path.length, 0, 0, 0, 0], [0, place]), path);
    parts.push(fields([0x04034b50], shared, sizes, [path.length, 0]), path, blob);
    place += 30 + path.length + blob.size;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = fields([0x06054b50], [0, 0, files.length, files.length], [size, place], [0]);
  return place + size > MOST_BYTES ? null : new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** Return numbers as bytes: lists of 32 bits and of 16 bits in turn, of which the first has 32. */
function fields(...lists) {
  const bytes = lists.flatMap((list, index) =>
    list.flatMap((value) => Array.from({ length: index % 2 ? 2 : 4 }, (_, byte) => (value >>> (8 * byte)) & 255)),
  );
  return Uint8Array.from(bytes);
}

async function checksum(blob) {
  let crc = -1;
  for await (const chunk of chunks(blob)) {
    for (const byte of chunk) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

async function* chunks(blob) {
  const reader = blob.stream().getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}
