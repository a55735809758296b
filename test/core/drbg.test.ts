import { createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { hex, openCore } from '../support/core.ts';

const box = openCore();
const { core, memory } = box;
const STATE = core.VAULT.value; // K (32) ‖ V (32) ‖ reseed counter (8) ‖ what HMAC makes of K (64)
/** From the slots' end to where work begins. */
const SCRATCH = [core.SLOTS.value + core.SLOT_SIZE.value * core.SLOT_COUNT.value, core.WORK.value] as const;
const NONE = new Uint8Array(0);

beforeEach(() => {
  core['wipeAll']!();
  box.reset();
});

/** Call, then check what holds after every call: inputs as they were, no trace of K or V in scratch. */
function call(name: 'drbgInstantiate' | 'drbgReseed' | 'drbgGenerate', a: Uint8Array | number, b: Uint8Array) {
  box.reset();
  const aLen = typeof a === 'number' ? a : a.length;
  const aPtr = typeof a === 'number' ? box.reserve(a, 3) : box.place(a, 5);
  const bPtr = box.place(b, 9);
  const bit = core[name]!(aPtr, aLen, bPtr, b.length);
  if (typeof a !== 'number') expect(box.read(aPtr, aLen)).toEqual(new Uint8Array(a));
  expect(box.read(bPtr, b.length)).toEqual(new Uint8Array(b));
  expect(box.guarded(aPtr, aLen) && box.guarded(bPtr, b.length)).toBe(true);
  expect(Buffer.from(memory.buffer, SCRATCH[0], SCRATCH[1] - SCRATCH[0]).every((byte) => byte === 0)).toBe(true);
  return { bit, out: box.read(aPtr, aLen) };
}

const state = () => {
  const bytes = box.read(STATE, 72);
  return { K: bytes.slice(0, 32), V: bytes.slice(32, 64), counter: new DataView(bytes.buffer).getBigUint64(64, true) };
};
const setCounter = (value: bigint) => new DataView(memory.buffer).setBigUint64(STATE + 64, value, true);

/** SP 800-90A Rev. 1 §10.1.2 over again, written on node:crypto. */
class Reference {
  K = Buffer.alloc(32, 0);
  V = Buffer.alloc(32, 1);
  counter = 1n;
  constructor(entropy: Uint8Array, personal: Uint8Array) {
    this.update(Buffer.concat([entropy, personal]));
  }
  hmac(...data: Uint8Array[]) {
    return createHmac('sha256', this.K).update(Buffer.concat(data)).digest();
  }
  update(data: Uint8Array) {
    for (const round of data.length > 0 ? [0, 1] : [0]) {
      this.K = this.hmac(this.V, Buffer.from([round]), data);
      this.V = this.hmac(this.V);
    }
  }
  reseed(entropy: Uint8Array, additional: Uint8Array) {
    this.update(Buffer.concat([entropy, additional]));
    this.counter = 1n;
  }
  generate(length: number, additional: Uint8Array) {
    if (additional.length > 0) this.update(additional);
    let out = Buffer.alloc(0);
    while (out.length < length) {
      this.V = this.hmac(this.V);
      out = Buffer.concat([out, this.V]);
    }
    this.update(additional);
    this.counter++;
    return new Uint8Array(out.subarray(0, length));
  }
  state() {
    return { K: new Uint8Array(this.K), V: new Uint8Array(this.V), counter: this.counter };
  }
}

/**
 * NIST CAVP drbgtestvectors, HMAC_DRBG.txt and .rsp, [SHA-256], [PredictionResistance = False]: instantiate,
 * reseed if there is one, generate 1024 bits twice, the second time for the answer. K and V are those at the end.
 */
const KNOWN_ANSWERS = [
  {
    name: 'no personalization, no additional input, COUNT 0',
    entropy: 'ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488',
    nonce: '659ba96c601dc69fc902940805ec0ca8',
    returned:
      'e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba6e624abf07745bc107694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8',
    V: '6b94e773e3469353a1ca8face76b238c5919d62a150a7dfc589ffa11c30b5b94',
    K: '6dd2cd5b1edba4b620d195ce26ad6845b063211d11e591432de37a3ad793f66c',
  },
  {
    name: 'no personalization, no additional input, COUNT 1',
    entropy: '79737479ba4e7642a221fcfd1b820b134e9e3540a35bb48ffae29c20f5418ea3',
    nonce: '3593259c092bef4129bc2c6c9e19f343',
    returned:
      'cf5ad5984f9e43917aa9087380dac46e410ddc8a7731859c84e9d0f31bd43655b924159413e2293b17610f211e09f770f172b8fb693a35b85d3b9e5e63b1dc252ac0e115002e9bedfb4b5b6fd43f33b8e0eafb2d072e1a6fee1f159df9b51e6c8da737e60d5032dd30544ec51558c6f080bdbdab1de8a939e961e06b5f1aca37',
    V: '3d52cfa76ba57ef836fc507390fac83fbebd81799604f0a9beaf60874dabc5e9',
    K: '9356bdc03c35b21e600892ed64f8efc8edcaf19258fa987b56b8eb0e13a07ff1',
  },
  {
    name: 'additional input',
    entropy: 'd3cc4d1acf3dde0c4bd2290d262337042dc632948223d3a2eaab87da44295fbd',
    nonce: '0109b0e729f457328aa18569a9224921',
    additional: [
      '3c311848183c9a212a26f27f8c6647e40375e466a0857cc39c4e47575d53f1f6',
      'fcb9abd19ccfbccef88c9c39bfb3dd7b1c12266c9808992e305bc3cff566e4e4',
    ],
    returned:
      '9c7b758b212cd0fcecd5daa489821712e3cdea4467b560ef5ddc24ab47749a1f1ffdbbb118f4e62fcfca3371b8fbfc5b0646b83e06bfbbab5fac30ea09ea2bc76f1ea568c9be0444b2cc90517b20ca825f2d0eccd88e7175538b85d90ab390183ca6395535d34473af6b5a5b88f5a59ee7561573337ea819da0dcc3573a22974',
  },
  {
    name: 'personalization',
    entropy: '5cacc68165a2e2ee20812f35ec73a79dbf30fd475476ac0c44fc6174cdac2b55',
    nonce: '6f885496c1e63af620becd9e71ecb824',
    personal: 'e72dd8590d4ed5295515c35ed6199e9d211b8f069b3058caa6670b96ef1208d0',
    returned:
      'f1012cf543f94533df27fedfbf58e5b79a3dc517a9c402bdbfc9a0c0f721f9d53faf4aafdc4b8f7a1b580fcaa52338d4bd95f58966a243cdcd3f446ed4bc546d9f607b190dd69954450d16cd0e2d6437067d8b44d19a6af7a7cfa8794e5fbd728e8fb2f2e8db5dd4ff1aa275f35886098e80ff844886060da8b1e7137846b23b',
    V: '84d03397e6295d67aed7358e27c5ca72849f09364483d45b51e6019df3ab00fb',
    K: '823ee6a2300698649af3c2ae788947bcaee88b9bf7e06e9821d346b7fff3eb08',
  },
  {
    name: 'personalization and additional input',
    entropy: '5d3286bc53a258a53ba781e2c4dcd79a790e43bbe0e89fb3eed39086be34174b',
    nonce: 'c5422294b7318952ace7055ab7570abf',
    personal: '2dba094d008e150d51c4135bb2f03dcde9cbf3468a12908a1b025c120c985b9d',
    additional: [
      '793a7ef8f6f0482beac542bb785c10f8b7b406a4de92667ab168ecc2cf7573c6',
      '2238cdb4e23d629fe0c2a83dd8d5144ce1a6229ef41dabe2a99ff722e510b530',
    ],
    returned:
      'd04678198ae7e1aeb435b45291458ffde0891560748b43330eaf866b5a6385e74c6fa5a5a44bdb284d436e98d244018d6acedcdfa2e9f499d8089e4db86ae89a6ab2d19cb705e2f048f97fb597f04106a1fa6a1416ad3d859118e079a0c319eb95686f4cbcce3b5101c7a0b010ef029c4ef6d06cdfac97efb9773891688c37cf',
    V: '7925c738fb6e7f7c7e147cb3b8b306b485a545ae63dc878cc49dd93e86dbed9b',
  },
  {
    name: 'reseed',
    entropy: '06032cd5eed33f39265f49ecb142c511da9aff2af71203bffaf34a9ca5bd9c0d',
    nonce: '0e66f71edc43e42a45ad3c6fc6cdc4df',
    reseed: '01920a4e669ed3a85ae8a33b35a74ad7fb2a6bb4cf395ce00334a9c9a5a5d552',
    returned:
      '76fc79fe9b50beccc991a11b5635783a83536add03c157fb30645e611c2898bb2b1bc215000209208cd506cb28da2a51bdb03826aaf2bd2335d576d519160842e7158ad0949d1a9ec3e66ea1b1a064b005de914eac2e9d4f2d72a8616a80225422918250ff66a41bd2f864a6a38cc5b6499dc43f7f2bd09e1e0f8f5885935124',
  },
  {
    name: 'reseed and additional input',
    entropy: '05ac9fc4c62a02e3f90840da5616218c6de5743d66b8e0fbf833759c5928b53d',
    nonce: '2b89a17904922ed8f017a63044848545',
    reseed: '2791126b8b52ee1fd9392a0a13e0083bed4186dc649b739607ac70ec8dcecf9b',
    reseedAdditional: '43bac13bae715092cf7eb280a2e10a962faf7233c41412f69bc74a35a584e54c',
    additional: [
      '3f2fed4b68d506ecefa21f3f5bb907beb0f17dbc30f6ffbba5e5861408c53a1e',
      '529030df50f410985fde068df82b935ec23d839cb4b269414c0ede6cffea5b68',
    ],
    returned:
      '02ddff5173da2fcffa10215b030d660d61179e61ecc22609b1151a75f1cbcbb4363c3a89299b4b63aca5e581e73c860491010aa35de3337cc6c09ebec8c91a6287586f3a74d9694b462d2720ea2e11bbd02af33adefb4a16e6b370fa0effd57d607547bdcfbb7831f54de7073ad2a7da987a0016a82fa958779a168674b56524',
  },
];

test.each(KNOWN_ANSWERS)('CAVP HMAC_DRBG, SHA-256: $name', (v) => {
  const additional = (i: number) => hex(v.additional?.[i] ?? '');
  expect(call('drbgInstantiate', hex(v.entropy + v.nonce), hex(v.personal ?? '')).bit).toBe(1);
  if (v.reseed) expect(call('drbgReseed', hex(v.reseed), hex(v.reseedAdditional ?? '')).bit).toBe(1);
  expect(call('drbgGenerate', 128, additional(0)).bit).toBe(1);
  expect(call('drbgGenerate', 128, additional(1))).toEqual({ bit: 1, out: hex(v.returned) });
  if (v.V) expect(state().V).toEqual(hex(v.V));
  if (v.K) expect(state().K).toEqual(hex(v.K));
  expect(state().counter).toBe(3n);
});

test('random sequences of calls agree with a second implementation on node:crypto', () => {
  const additional = fc.oneof(fc.constant(NONE), fc.uint8Array({ minLength: 1, maxLength: 200 }));
  const entropy = (minLength: number) => fc.uint8Array({ minLength, maxLength: 200 });
  const step = fc.oneof(
    { weight: 1, arbitrary: fc.record({ op: fc.constant('instantiate' as const), a: entropy(48), b: additional }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('reseed' as const), a: entropy(32), b: additional }) },
    { weight: 6, arbitrary: fc.record({ op: fc.constant('generate' as const), a: fc.nat(300), b: additional }) },
  );
  fc.assert(
    fc.property(entropy(48), additional, fc.array(step, { maxLength: 12 }), (seed, personal, steps) => {
      let reference = new Reference(seed, personal);
      expect(call('drbgInstantiate', seed, personal).bit).toBe(1);
      for (const s of steps) {
        if (s.op === 'instantiate') {
          reference = new Reference(s.a, s.b);
          expect(call('drbgInstantiate', s.a, s.b).bit).toBe(1);
        } else if (s.op === 'reseed') {
          reference.reseed(s.a, s.b);
          expect(call('drbgReseed', s.a, s.b).bit).toBe(1);
        } else {
          expect(call('drbgGenerate', s.a, s.b)).toEqual({ bit: 1, out: reference.generate(s.a, s.b) });
        }
        expect(state()).toEqual(reference.state());
      }
    }),
    { numRuns: 100 },
  );
});

test('every output length 0-257', () => {
  const seed = new Uint8Array(randomBytes(48));
  const reference = new Reference(seed, NONE);
  call('drbgInstantiate', seed, NONE);
  for (let length = 0; length <= 257; length++) {
    expect(call('drbgGenerate', length, NONE)).toEqual({ bit: 1, out: reference.generate(length, NONE) });
  }
});

/** Run a call that must be refused: state and output stay as they were. */
function refused(...args: Parameters<typeof call>) {
  const before = state();
  const { bit, out } = call(...args);
  expect(bit).toBe(0);
  expect(state()).toEqual(before);
  if (typeof args[1] === 'number') expect(out.every((byte) => byte === 0xa5)).toBe(true);
}

test('entropy too short is refused', () => {
  for (const length of [0, 32, 47]) refused('drbgInstantiate', new Uint8Array(randomBytes(length)), NONE);
  refused('drbgInstantiate', new Uint8Array(randomBytes(47)), new Uint8Array(100));
  expect(call('drbgInstantiate', new Uint8Array(randomBytes(48)), NONE).bit).toBe(1);
  for (const length of [0, 16, 31]) refused('drbgReseed', new Uint8Array(randomBytes(length)), NONE);
  refused('drbgReseed', new Uint8Array(randomBytes(31)), new Uint8Array(100));
  expect(call('drbgReseed', new Uint8Array(randomBytes(32)), NONE).bit).toBe(1);
});

test('65536 bytes a request and no more', () => {
  const seed = new Uint8Array(randomBytes(48));
  call('drbgInstantiate', seed, NONE);
  refused('drbgGenerate', 65537, NONE);
  expect(core['drbgGenerate']!(core.WINDOW.value, 0xffffffff, 0, 0)).toBe(0);
  const expected = new Reference(seed, NONE).generate(65536, NONE);
  expect(Buffer.compare(call('drbgGenerate', 65536, NONE).out, expected)).toBe(0);
});

test('2^48 requests a seed and no more; a reseed begins anew', () => {
  call('drbgInstantiate', new Uint8Array(randomBytes(48)), NONE);
  setCounter(1n << 48n);
  expect(call('drbgGenerate', 32, NONE).bit).toBe(1);
  expect(state().counter).toBe((1n << 48n) + 1n);
  refused('drbgGenerate', 32, NONE);
  refused('drbgGenerate', 0, NONE);
  setCounter(0xffffffffffffffffn);
  refused('drbgGenerate', 32, NONE);
  expect(call('drbgReseed', new Uint8Array(randomBytes(32)), NONE).bit).toBe(1);
  expect(state().counter).toBe(1n);
  expect(call('drbgGenerate', 32, NONE).bit).toBe(1);
});

test('without a state, before instantiation and after a wipe, nothing is generated or reseeded', () => {
  for (const wiped of [false, true]) {
    if (wiped) {
      call('drbgInstantiate', new Uint8Array(randomBytes(48)), NONE);
      core['wipeAll']!();
    }
    refused('drbgGenerate', 32, NONE);
    refused('drbgGenerate', 0, NONE);
    refused('drbgReseed', new Uint8Array(randomBytes(32)), NONE);
    expect(box.read(STATE, 136).every((byte) => byte === 0)).toBe(true);
  }
});

test('a batch wipe leaves the generator as it is', () => {
  const seed = new Uint8Array(randomBytes(48));
  const reference = new Reference(seed, NONE);
  call('drbgInstantiate', seed, NONE);
  core['wipeBatch']!(0, 0, 0);
  expect(call('drbgGenerate', 40, NONE).out).toEqual(reference.generate(40, NONE));
});
