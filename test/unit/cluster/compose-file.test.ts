import assert from "node:assert/strict";
import { test } from "node:test";
import { type ComposeFile, durationMs, interpolate } from "../../../bin/cluster/compose-file.ts";
import { without } from "../../../bin/cluster/subset.ts";

test("variables are filled in as compose does", () => {
  const env = { A: "1", EMPTY: "" };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: compose writes variables so
  assert.equal(interpolate("$$X ${A} ${B} ${B-2} ${EMPTY-3} ${EMPTY:-4}", env), "$X 1  2  4");
});

test("durations have units", () => {
  assert.deepEqual(["500ms", "1.5s", "2m"].map(durationMs), [500, 1500, 120_000]);
  assert.throws(() => durationMs("5"), /no duration/);
});

const service = (more: object) => ({
  ...{
    image: "ganglion",
    command: [],
    environment: {},
    ports: [],
    expose: [],
    volumes: [],
    configs: [],
    depends_on: {},
  },
  ...{ profiles: [], healthcheck: undefined, ...more },
});

test("a service that is left out is neither waited for nor led to; a profile keeps what it has for other occasions", () => {
  const file = {
    configs: {},
    services: {
      kafka: service({}),
      "kafka-ui": service({ profiles: ["tools"] }),
      edge: service({
        environment: { KAFKA_BROKERS: "kafka:9092", UI: "http://kafka-ui:80", DATA_DIR: "/data" },
        depends_on: { kafka: { condition: "service_healthy" } },
      }),
    },
  } as ComposeFile;
  const { services } = without(file, ["kafka"]);
  assert.deepEqual(Object.keys(services), ["edge"]);
  assert.deepEqual(services["edge"]?.environment, { KAFKA_BROKERS: "", UI: "", DATA_DIR: "/data" });
  assert.deepEqual(services["edge"]?.depends_on, {});
  assert.deepEqual(Object.keys(without(file, [], ["tools"]).services), ["kafka", "kafka-ui", "edge"]);
  assert.throws(() => without(file, ["kafak"]), /kafak/);
});
