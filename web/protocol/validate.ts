/**
 * Run-time checks of JSON values, with the static type inferred from the same description: one list of fields serves both.
 * Mirrors what msgspec does on the server: unknown fields are refused, absent fields take their default, and a field equal
 * to its default is left out again when written.
 */

/** A value outside the contract. `path` names the field, e.g. `$.roster[2].name`. */
export class InvalidMessage extends Error {
  constructor(readonly path: string, expected: string) {
    super(`${path}: expected ${expected}`);
    this.name = "InvalidMessage";
  }
}

/** Reads one JSON value into `T` and writes it back. */
export interface Schema<T> {
  read(value: unknown, path: string): T;
  write(value: T): unknown;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

/** A field of an object: required, or with the default that stands for its absence. */
interface Field<T> {
  schema: Schema<T>;
  absent?: { value: T };
}

// any: every schema fits here; ObjectOf recovers the exact types.
type Fields = Record<string, Schema<any> | Field<any>>;
type FieldType<F> = F extends Field<infer T> ? T : F extends Schema<infer T> ? T : never;
export type ObjectOf<F> = { [K in keyof F]: FieldType<F[K]> };

function primitive<T>(expected: string, accepts: (value: unknown) => boolean): Schema<T> {
  return {
    read(value, path) {
      if (!accepts(value)) throw new InvalidMessage(path, expected);
      return value as T;
    },
    write: (value) => value,
  };
}

export const text: Schema<string> = primitive("a string", (v) => typeof v === "string");
export const whole: Schema<number> = primitive("a whole number", (v) => Number.isSafeInteger(v));
export const flag: Schema<boolean> = primitive("true or false", (v) => typeof v === "boolean");

export function oneOf<const T extends string>(...choices: T[]): Schema<T> {
  return primitive(`one of ${choices.join(", ")}`, (v) => typeof v === "string" && (choices as string[]).includes(v));
}

export function nullable<T>(inner: Schema<T>): Schema<T | null> {
  return {
    read: (value, path) => (value === null ? null : inner.read(value, path)),
    write: (value) => (value === null ? null : inner.write(value)),
  };
}

export function list<T>(inner: Schema<T>): Schema<T[]> {
  return {
    read(value, path) {
      if (!Array.isArray(value)) throw new InvalidMessage(path, "a list");
      return value.map((item, i) => inner.read(item, `${path}[${i}]`));
    },
    write: (value) => value.map((item) => inner.write(item)),
  };
}

/** A field that may be absent and then has `value`. */
export function or<T>(schema: Schema<T>, value: T): Field<T> {
  return { schema, absent: { value } };
}

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
const asField = (entry: Fields[string]): Field<unknown> =>
  ("schema" in entry ? entry : { schema: entry }) as Field<unknown>;

export function object<const F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  const entries = Object.entries(fields).map(([key, entry]) => [key, asField(entry)] as const);
  const known = new Set(entries.map(([key]) => key));
  return {
    read(value, path) {
      if (typeof value !== "object" || value === null || Array.isArray(value)) throw new InvalidMessage(path, "an object");
      const source = value as Record<string, unknown>;
      for (const key of Object.keys(source)) if (!known.has(key)) throw new InvalidMessage(`${path}.${key}`, "no such field");
      const result: Record<string, unknown> = {};
      for (const [key, field] of entries) {
        if (Object.hasOwn(source, key)) result[key] = field.schema.read(source[key], `${path}.${key}`);
        else if (field.absent) result[key] = structuredClone(field.absent.value);
        else throw new InvalidMessage(`${path}.${key}`, "a value");
      }
      return result as ObjectOf<F>;
    },
    write(value) {
      const result: Record<string, unknown> = {};
      for (const [key, field] of entries) {
        const item = (value as Record<string, unknown>)[key];
        if (item === undefined || (field.absent && same(item, field.absent.value))) continue;
        result[key] = field.schema.write(item);
      }
      return result;
    },
  };
}
