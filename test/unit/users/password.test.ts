import assert from "node:assert/strict";
import { test } from "node:test";
import { hashPassword, isPassword } from "../../../services/users/password.ts";

test("a password is known by its hash, which says how it was made and is another each time", async () => {
  const [one, two] = [await hashPassword("correct horse"), await hashPassword("correct horse")];
  assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.notEqual(one, two);
  assert.equal(await isPassword("correct horse", one), true);
  assert.equal(await isPassword("correct hors", one), false);
  assert.equal(await isPassword("", undefined), false);
  // Composed and decomposed look the same to whoever types them.
  assert.equal(await isPassword("pa\u0308ssword", await hashPassword("p\u00e4ssword")), true);
});

test("a hash of the reference implementation is known, with its own cost", async () => {
  // echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
  const stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
  assert.equal(await isPassword("password", stored), true);
  assert.equal(await isPassword("passwore", stored), false);
});
