import type { Value } from "../message.ts";
import type { RecordingForm } from "./index.ts";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** `device_id,ts,metric…` with a header: an empty field is missing, true and false are booleans, the rest numbers or text. */
export const csv: RecordingForm = (firstLine) => {
  const columns = fieldsOf(firstLine);
  const [idAt, tsAt] = [columns.indexOf("device_id"), columns.indexOf("ts")];
  if (idAt < 0 || tsAt < 0) return undefined;
  return {
    header: true,
    read(line) {
      const fields = fieldsOf(line);
      if (fields.length !== columns.length)
        throw new Error(`has ${fields.length} fields, the header ${columns.length}`);
      const values: Record<string, Value> = {};
      for (const [index, field] of fields.entries())
        if (index !== idAt && index !== tsAt && field !== "") values[columns[index] as string] = fieldValue(field);
      if (Object.keys(values).length === 0) return undefined;
      const ts = fieldValue(fields[tsAt] as string);
      return { deviceId: fields[idAt] as string, ts: typeof ts === "number" ? ts : (fields[tsAt] as string), values };
    },
  };
};

function fieldValue(field: string): Value {
  if (field === "true" || field === "false") return field === "true";
  return NUMBER.test(field) ? Number(field) : field;
}

/** Fields of one line, quoted ones (RFC 4180 §2.5 to 2.7) included; a line break inside of quotes is not supported. */
function fieldsOf(line: string): string[] {
  if (!line.includes('"')) return line.split(",");
  return Array.from(line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/g), ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'),
  );
}
