// Photos as files: decoded by the browser where it can, made smaller where they are larger than a face needs.

const most_bytes = 16 << 20, longest_side = 4096, small_side = 1600;

async function resize(bitmap, side) {
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = Object.assign(document.createElement('canvas'),
                               {width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale)});
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise(resolve => canvas.toBlob(resolve, 'image/jpeg', 0.92));
}

const as_jpeg = (blob, name) => new File([blob], name.replace(/\.\w+$/, '') + '.jpg', {type: 'image/jpeg'});

/// The file to send, and whether the browser can show it (HEIC, JPEG XL and TIFF it often cannot).
export async function prepare(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return {file, shown: false, smaller: false};
  const smaller = file.size > most_bytes || Math.max(bitmap.width, bitmap.height) > longest_side;
  return {file: smaller ? as_jpeg(await resize(bitmap, longest_side), file.name) : file, shown: true, smaller};
}

/// For a proxy that takes only small requests (nginx: 1 MB, unless told otherwise).
export async function shrink(file) {
  return as_jpeg(await resize(await createImageBitmap(file), small_side), file.name);
}
