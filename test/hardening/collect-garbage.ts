// node --expose-gc --import FILE: collects garbage on SIGUSR2, so that memory before and after an attack can be compared.
// Without it resident memory says how busy a process was: the collector takes its time as long as there is room.
process.on("SIGUSR2", () => (globalThis as { gc?: () => void }).gc?.());
