// SPDX-License-Identifier: BSD-3-Clause

/*
 * wit.mjs FOLDER <ROWS: reads the WIT of WASI 0.2 in FOLDER, and compares the type
 * of each function with that of its row (guests/wasi/table.c has the letters).
 * Functions that the WIT calls unstable need not be there; filesystem's are not.
 */
import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const scalars = { bool: 'b', u8: 'y', u16: 'h', u32: 'w', u64: 'q', string: 's' };
// Types that have a letter of their own, whatever they are made of.
const named = { 'stream-error': 'E', datetime: 'T', 'ip-address': 'I',
                'ip-socket-address': 'A' };
const packages = ['io', 'sockets', 'clocks', 'random', 'cli'];

function tokens(text) {
    return text.replace(/\/\/.*|\/\*[^]*?\*\//g, '')
        .match(/[a-z%][a-z0-9-]*|->|@[a-z]+(\([^)]*\))?|[^\s]/gi);
}

/** Reads one package: its functions, and what its types are. */
class Reader {
    constructor(text, types) {
        this.all = tokens(text);
        this.types = types;
        this.functions = [];
        this.take('package');
        while (this.take() !== ';')
            continue;
        while (this.at < this.all.length)
            this.item();
    }

    at = 0;
    unstable = false;

    next() { return this.all[this.at]; }

    take(wanted) {
        const token = this.all[this.at++];
        assert(!wanted || token === wanted, `${wanted}, not ${token}`);
        return token;
    }

    skip() { // A body in braces, or up to a semicolon.
        for (let depth = 0; ;) {
            const token = this.take();
            depth += (token === '{') - (token === '}');
            if (!depth && (token === '}' || token === ';'))
                return;
        }
    }

    gates() {
        this.unstable = false;
        while (this.next()?.startsWith('@'))
            this.unstable ||= this.take().startsWith('@unstable');
    }

    item() {
        this.gates();
        if (this.take() !== 'interface')
            return this.skip();
        this.interface = this.take();
        this.take('{');
        for (this.gates(); this.next() !== '}'; this.gates())
            this.member();
        this.take('}');
    }

    member() {
        const what = this.take();
        if (what === 'use') { // Names are one set over all packages.
            while (this.take() !== ';')
                continue;
        } else if (what === 'type') {
            const name = this.take();
            this.take('=');
            this.types[name] = this.type();
            this.take(';');
        } else if (['enum', 'variant', 'record', 'flags'].includes(what)) {
            this.types[this.next()] ??= named[this.next()] ?? what[0];
            this.skip();
        } else if (what === 'resource') {
            this.resource(this.take());
        } else {
            this.function(what, '');
        }
    }

    resource(name) {
        this.types[name] = 'o';
        this.add(`[resource-drop]${name}`, 'k>');
        if (this.next() === ';')
            return this.take();
        this.take('{');
        for (this.gates(); this.next() !== '}'; this.gates())
            this.function(this.take(), name);
        this.take('}');
    }

    function(escaped, resource) {
        const name = escaped.replace('%', '');
        this.take(':');
        this.take('func');
        this.take('(');
        let type = resource ? 'k' : '';
        while (this.next() !== ')') {
            this.take(); // its name
            this.take(':');
            type += this.type();
            if (this.next() === ',')
                this.take();
        }
        this.take(')');
        type += '>';
        if (this.next() === '->') {
            this.take();
            type += this.type();
        }
        this.take(';');
        this.add(resource ? `[method]${resource}.${name}` : name, type);
    }

    /* What is in angle brackets. */
    inner() {
        const parts = [];
        for (this.take('<'); parts.push(this.type()) && this.next() === ',';)
            this.take();
        this.take('>');
        return parts;
    }

    type() {
        const name = this.take();
        if (scalars[name])
            return scalars[name];
        if (name === '_')
            return '_';
        if (name === 'list') {
            const [of] = this.inner();
            return of === 'y' ? 'L' : 'P';
        }
        if (name === 'borrow')
            return this.inner() && 'k';
        if (name === 'option')
            return `O${this.inner()[0]}`;
        if (name === 'tuple')
            return this.inner().join('');
        if (name === 'result') {
            if (this.next() !== '<')
                return 'b'; // One of nothing is whether it failed.
            const [good, bad] = this.inner();
            return `R${good},${bad ?? '_'}`;
        }
        return named[name] ?? this.types[name] ?? '?'; // behind this one
    }

    add(name, type) {
        this.functions.push({ interface: this.interface, name, type,
                              unstable: this.unstable });
    }
}

const rows = new Map(readFileSync(0, 'utf8').trim().split('\n').map((line) => {
    const [module, name, type] = line.split(' ');
    return [`${module} ${name}`, type];
}));
const types = { 'error-code': 'e' };
let compared = 0, wrong = 0;
const texts = packages.map((one) => {
    const folder = join(process.argv[2], `wasi-${one}`);
    return [one, readdirSync(folder)
        .map((file) => readFileSync(join(folder, file), 'utf8')).join('\n')];
});
for (const [, text] of texts)
    new Reader(text, types); // For the types alone: some are used before.
for (const [one, text] of texts) {
    for (const { interface: of, name, type, unstable } of
        new Reader(text, types).functions) {
        const key = `wasi:${one}/${of} ${name}`;
        const row = rows.get(key);
        if (name === 'run' || (!row && unstable))
            continue;
        compared++;
        wrong += row !== type;
        if (row !== type)
            console.log(`${key}: ${row ?? 'no row'}, and in WIT ${type}`);
    }
}
console.log(`${compared} compared, ${wrong} wrong`);
process.exitCode = wrong || compared < 100 ? 1 : 0;
