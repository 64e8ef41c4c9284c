// Whether a run will be able to read a value: the same forms as in bizproc/runs/decoding.py.
const monthFirst = {{ month_first|tojson }};

const EXPRESSION = /\{=[^{}]+\}|\{\{[^{}]+\}\}/;
const TIME = /^([01]?\d|2[0-3]):[0-5]?\d(:[0-5]?\d)?$|^(0?[1-9]|1[0-2]):[0-5]?\d(:[0-5]?\d)? [ap]m$/i;

// What the process fills in, such as {=Document:TITLE}, {% raw %}{{Title}}{% endraw %} or a formula that begins with =.
function isExpression(text) {
  return text.startsWith("=") || EXPRESSION.test(text);
}

function isDay(year, month, day) {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function isDate(text) {
  const dots = text.match(/^(\d{1,2})\.(\d{1,2})\.(\d{4})$/);
  if (dots) return isDay(+dots[3], +dots[2], +dots[1]);
  const yearFirst = text.match(/^(\d{4})([-/])(\d{1,2})\2(\d{1,2})$/);
  if (yearFirst) return isDay(+yearFirst[1], +yearFirst[3], +yearFirst[4]);
  const slashes = text.match(/^(\d{1,2})\/(\d{1,2})\/(\d{4})$/);
  if (!slashes) return false;
  const [month, day] = monthFirst ? [slashes[1], slashes[2]] : [slashes[2], slashes[1]];
  return isDay(+slashes[3], +month, +day);
}

// Both date and datetime: a run takes either for the other.
function isMoment(text) {
  const [moment, offset] = text.split(" [", 2);
  if (offset !== undefined && !/^[+-]?\d{1,5}\]$/.test(offset)) return false;
  const iso = moment.match(/^(\d{4}-\d\d-\d\d)T(.+?)(\.\d+)?(Z|[+-]\d\d:?\d\d)?$/);
  if (iso) return isDate(iso[1]) && TIME.test(iso[2]);
  const [date, ...time] = moment.split(" ");
  return isDate(date) && (!time.length || TIME.test(time.join(" ")));
}

function isInteger(text) {
  const digits = text.replace(/\s/g, "").replace(/(\d)[,.](?=\d{3}(?:[,.]|$))/g, "$1");
  return /^[+-]?\d+$/.test(digits);
}

// The last separator is the decimal one, unless it stands there twice.
function isNumber(text) {
  const digits = text.replace(/\s/g, "");
  const last = digits.match(/[,.](?=[^,.]*$)/)?.[0];
  const decimal = last && digits.split(last).length === 2 ? last : "";
  const plain = [...digits].filter((sign) => !",.".includes(sign) || sign === decimal).join("").replace(",", ".");
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,3})?$/i.test(plain) && Number.isFinite(+plain);
}

// How far a text is JSON. The browser's own message has no position, or words of its own for it.
function jsonEnd(text) {
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const space = () => take(/[ \t\n\r]*/y);
  const string = () => take(/"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y);
  const atom = () => string() || take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y);
  const all = (item, end) => {
    if (space() && take(end)) return true;
    do if (!item()) return false;
    while (space() && take(/,/y));
    return take(end);
  };
  const member = () => space() && string() && space() && take(/:/y) && value();
  const value = () => space() && (take(/\{/y) ? all(member, /\}/y) : take(/\[/y) ? all(value, /\]/y) : atom());
  if (value()) space();
  return at;
}

function jsonFault(text) {
  const filled = text.replace(new RegExp(EXPRESSION, "g"), (found) => "0".padEnd(found.length));
  try {
    JSON.parse(filled);
    return "";
  } catch {
    const before = text.slice(0, jsonEnd(filled)).split("\n");
    return `${texts.json} ${texts.line} ${before.length}, ${texts.column} ${before.at(-1).length + 1}.`;
  }
}

const CHECKS = {
  int: isInteger,
  double: isNumber,
  date: isMoment,
  datetime: isMoment,
  time: (text) => TIME.test(text.split(" [")[0]),
  email: (text) => /^[^\s@]+@[^\s@]+$/.test(text),
  phone: (text) => /\d/.test(text),
  web: (text) => /^\S*[^\s.]\.[^\s.]\S*$/.test(text),
  user: (text) => /^[a-z]\w*$/i.test(text),
};

// What is wrong with a value that is not empty; an empty text when nothing is.
function fault(type, text) {
  if (type === "json") return text.startsWith("=") ? "" : jsonFault(text);
  const right = CHECKS[type];
  return !right || isExpression(text) || right(text.trim()) ? "" : texts[type];
}
