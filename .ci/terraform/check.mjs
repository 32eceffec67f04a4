// Holds Terraform files against the schema of the AWS provider, without Terraform, which would have to fetch the provider from
// a registry of its own: syntax (HashiCorp's own parser, in WebAssembly), every block and argument by name and nesting, what is
// required, the kind of plain literals, references to variables, locals and resources, and the paths of ignore_changes. The
// schema is the one that the provider's bindings for CDK Terrain were made from.
//
// Not checked: whether values are ones that the provider or AWS takes, which arguments exclude each other, and what a plan
// would do.
//
// Usage: node check.mjs BINDINGS FILE.tf…    BINDINGS: the folder `lib` of the package @cdktn/provider-aws

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from '@cdktn/hcl2json';

const [bindings, ...files] = process.argv.slice(2);
const META_ARGUMENTS = ['count', 'depends_on', 'for_each', 'lifecycle', 'provider'];
const LIFECYCLE = ['create_before_destroy', 'ignore_changes', 'postcondition', 'precondition', 'prevent_destroy', 'replace_triggered_by'];
let problems = 0;
let checked = 0;

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** The arguments of a resource or a block: their kind, how often they may be given, and what is within. */
function members(source, types, attributes, interfaceName) {
  const declared = new RegExp(`export interface ${interfaceName}(?: extends [^{]+)? \\{(.*?)\\n\\}`, 's').exec(types);
  if (!attributes || !declared) throw new Error(`the bindings do not say what ${interfaceName} is`);
  const found = new Map();
  const argument = /^ +(\w+): \{\n +value: .*\n +isBlock: (true|false),\n +type: "(\w+)",\n +storageClassType: "(\w+)",/gm;
  for (const [, name, isBlock, container, type] of attributes.matchAll(argument)) {
    const isRequired = new RegExp(`readonly ${camel(name)}: `).test(declared[1]);
    if (!isRequired && !new RegExp(`readonly ${camel(name)}\\?: `).test(declared[1])) {
      throw new Error(`the bindings disagree about ${interfaceName}.${name}`);
    }
    const nested = isBlock === 'true' ? type.replace(/List$/, '') : undefined;
    found.set(name, { isRequired, container, type, within: nested && (() => block(source, types, nested)) });
  }
  if (found.size === 0) throw new Error(`the bindings list no argument of ${interfaceName}`);
  return found;
}

function block(source, types, name) {
  const start = name[0].toLowerCase() + name.slice(1);
  const writer = new RegExp(`^function ${start}ToHclTerraform\\(struct\\) \\{(.*?)^\\}`, 'ms').exec(source);
  return members(source, types, writer?.[1], name);
}

function schema(type, isProvider) {
  const folder = join(bindings, isProvider ? 'provider' : type.replace(/^aws_/, '').replaceAll('_', '-'));
  const source = readFileSync(join(folder, 'index.js'), 'utf8');
  const types = readFileSync(join(folder, 'index.d.ts'), 'utf8');
  if (!source.includes(`static tfResourceType = "${type}"`)) throw new Error(`${folder} is not about ${type}`);
  const writer = /synthesizeHclAttributes\(\) \{(.*?)^ {4}\}/ms.exec(source);
  const name = /^class (\w+) extends cdktn\.Terraform(?:Resource|Provider) \{/m.exec(source)?.[1];
  const version = /providerVersion: '([^']+)'/.exec(source)?.[1];
  return { members: members(source, types, writer?.[1], `${name}Config`), version };
}

function report(where, what) {
  problems += 1;
  console.error(`${where}: ${what}`);
}

const isExpression = (value) => typeof value === 'string' && value.includes('${');

/** One body, against what may stand in it. */
function body(where, given, allowed) {
  for (const [name, value] of Object.entries(given)) {
    const member = allowed.get(name);
    if (!member) {
      report(where, `there is no argument or block ${name}; there are ${[...allowed.keys()].sort().join(', ')}`);
      continue;
    }
    checked += 1;
    if (member.within) {
      // The parser makes a list of every block; an argument with an object would be none.
      if (!Array.isArray(value)) report(`${where}.${name}`, 'is a block and is written as an argument, with =');
      else value.forEach((one) => body(`${where}.${name}`, one, member.within()));
    } else if (Array.isArray(value) !== ['list', 'set'].includes(member.container) && !isExpression(value)) {
      report(`${where}.${name}`, `is ${JSON.stringify(value)}, and it must be a ${member.container === 'simple' ? member.type : member.container}`);
    } else if (member.container === 'simple' && !isExpression(value) && typeof value !== member.type) {
      report(`${where}.${name}`, `is ${JSON.stringify(value)}, and it must be a ${member.type}`);
    }
  }
  for (const [name, member] of allowed) {
    if (member.isRequired && !(name in given)) report(where, `${name} is missing, and it is required`);
  }
}

/** `a[0].b` as it stands in ignore_changes: each name is known, and only lists are counted. */
function ignored(where, path, allowed) {
  let within = allowed;
  for (const part of path.split('.')) {
    const [, name, index] = /^(\w+)(?:\[(\d+)\])?$/.exec(part) ?? [];
    const member = within?.get(name);
    if (!member) return report(where, `ignore_changes names ${path}, and there is no ${part}`);
    if (index !== undefined && member.container !== 'list') {
      return report(where, `ignore_changes counts into ${name} in ${path}, and that is a ${member.container}`);
    }
    if (index === undefined && member.container === 'list' && path.includes(`${part}.`)) {
      return report(where, `ignore_changes goes into ${name} in ${path}, a list, without counting`);
    }
    within = member.within?.();
  }
  checked += 1;
  return undefined;
}

/** Every name that an expression refers to is declared. */
function references(file, value, declared) {
  if (typeof value === 'string') {
    for (const [, expression] of value.matchAll(/\$\{([^}]*)\}/g)) {
      for (const [reference] of expression.matchAll(/\b(?:var|local)\.\w+|\baws_\w+\.\w+/g)) {
        checked += 1;
        if (!declared.has(reference)) report(file, `refers to ${reference}, which it does not declare`);
      }
    }
  } else if (value && typeof value === 'object') {
    Object.values(value).forEach((inner) => references(file, inner, declared));
  }
}

function declarations(configuration) {
  const names = Object.keys(configuration.variable ?? {}).map((name) => `var.${name}`);
  for (const locals of configuration.locals ?? []) names.push(...Object.keys(locals).map((name) => `local.${name}`));
  for (const [type, resources] of Object.entries(configuration.resource ?? {})) {
    names.push(...Object.keys(resources).map((name) => `${type}.${name}`));
  }
  return new Set(names);
}

for (const file of files) {
  let configuration;
  try {
    configuration = await parse(file, readFileSync(file, 'utf8'));
  } catch (error) {
    report(file, `cannot be read: ${error?.message ?? error}`);
    continue;
  }
  let version;
  for (const [name, providers] of Object.entries(configuration.provider ?? {})) {
    const provider = schema(name, true);
    for (const { alias, ...given } of providers) body(`${file}: provider ${alias ?? name}`, given, provider.members);
  }
  for (const [type, resources] of Object.entries(configuration.resource ?? {})) {
    const resource = schema(type, false);
    version = resource.version;
    for (const [name, [given]] of Object.entries(resources)) {
      const where = `${file}: ${type}.${name}`;
      const own = Object.fromEntries(Object.entries(given).filter(([argument]) => !META_ARGUMENTS.includes(argument)));
      body(where, own, resource.members);
      for (const lifecycle of given.lifecycle ?? []) {
        for (const argument of Object.keys(lifecycle)) {
          if (!LIFECYCLE.includes(argument)) report(where, `lifecycle has no argument ${argument}`);
        }
        const paths = lifecycle.ignore_changes ?? [];
        for (const path of paths) ignored(where, path.replace(/^\$\{(.*)\}$/, '$1'), resource.members);
      }
    }
  }
  references(file, configuration, declarations(configuration));
  console.log(`${file}: held against provider ${version}`);
}
if (checked < 20) report('terraform', `only ${checked} things were checked; the parser or the schema is not what it was`);
console.log(`${checked} blocks, arguments and references checked, ${problems} problems`);
// The parser's own runtime would keep the program alive.
process.exit(problems === 0 ? 0 : 1);
