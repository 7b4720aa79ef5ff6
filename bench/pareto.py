"""A plot of speed against recall as SVG, drawn by hand. Recall is on a scale of nines, where the step from 0.9 to 0.99
is as wide as that from 0.99 to 0.999, and speed on a logarithmic one: up and to the right is better."""
import html
import math

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 84, 220, 84, 62
INK, PALE, GRID, QUIET = "#1f2937", "#6b7280", "#e5e7eb", "#b6bcc6"
LOUD = {"octant": "#c2410c", "octant-disk": "#f59e0b", "hnswlib": "#1d4ed8"}
COLORS = ("#047857", "#7c3aed", "#be185d", "#0e7490", "#4d7c0f", "#92400e", "#4338ca", "#b91c1c", "#0f766e", "#6d28d9")
RECALL_TICKS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995)


def nines(recall):
    return -math.log10(max(1 - recall, 1e-4))


def _ticks(low, high):
    """1, 2, 5 times powers of ten."""
    return [mantissa * 10 ** exponent for exponent in range(-2, 8) for mantissa in (1, 2, 5)
            if low <= mantissa * 10 ** exponent <= high]


def write(path, title, subtitle, series, loud_count=8, y_label="queries a second, one thread"):
    """series: {name: [(recall, qps), ...]}. octant, hnswlib and the fastest others get colours, up to `loud_count`;
    the rest are grey."""
    series = {name: sorted(points) for name, points in series.items() if points}
    if not series:
        return False
    every = [point for points in series.values() for point in points]
    x_low, x_high = min(nines(r) for r, _ in every) - 0.05, max(nines(r) for r, _ in every) + 0.05
    y_low, y_high = min(q for _, q in every) / 1.15, max(q for _, q in every) * 1.15

    def x_of(recall):
        return LEFT + (nines(recall) - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y_of(qps):
        share = (math.log(qps) - math.log(y_low)) / (math.log(y_high) - math.log(y_low))
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def speed(name):  # at the recall nearest to 0.95, where engines are told apart
        return -min(series[name], key=lambda point: abs(nines(point[0]) - nines(0.95)))[1]

    ranked = sorted(series, key=lambda name: (name not in LOUD, speed(name)))
    color, spare = {}, list(COLORS)
    for name in ranked[:loud_count]:
        color[name] = LOUD.get(name) or spare.pop(0)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
           'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']

    def text(x, y, words, fill=INK, anchor="start", more=""):
        out.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}"{more}>'
                   f'{html.escape(words)}</text>')

    def line(x1, y1, x2, y2, stroke):
        out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}"/>')

    text(LEFT, 32, title, more=' font-size="18" font-weight="bold"')
    text(LEFT, 54, subtitle, PALE)
    for tick in RECALL_TICKS:
        if x_low <= nines(tick) <= x_high:
            line(x_of(tick), TOP, x_of(tick), HEIGHT - BOTTOM, GRID)
            text(x_of(tick), HEIGHT - BOTTOM + 19, f"{tick:g}", PALE, "middle")
    for tick in _ticks(y_low, y_high):
        line(LEFT, y_of(tick), WIDTH - RIGHT, y_of(tick), GRID)
        text(LEFT - 9, y_of(tick) + 4.5, f"{tick:,.0f}", PALE, "end")
    line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, INK)
    line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, INK)
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "recall", INK, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    text(24, middle, y_label, INK, "middle", f' transform="rotate(-90 24 {middle:.1f})"')

    for name in reversed(ranked):  # the loud ones last, on top
        stroke, width = color.get(name, QUIET), 3 if name in LOUD else 1.8 if name in color else 1.2
        way = " ".join(f"{x_of(r):.1f},{y_of(q):.1f}" for r, q in series[name])
        out.append(f'<polyline points="{way}" fill="none" stroke="{stroke}" stroke-width="{width}" '
                   f'stroke-linejoin="round"><title>{html.escape(name)}</title></polyline>')
        if name in color:
            for r, q in series[name]:
                out.append(f'<circle cx="{x_of(r):.1f}" cy="{y_of(q):.1f}" r="3.2" fill="#ffffff" stroke="{stroke}" '
                           f'stroke-width="1.8"><title>{html.escape(f"{name}: {q:,.0f} at {r:.4f}")}</title></circle>')
    y = TOP + 6
    for name in ranked:
        if name in color:
            line(WIDTH - RIGHT + 18, y - 4, WIDTH - RIGHT + 44, y - 4, color[name])
            out[-1] = out[-1].replace("/>", ' stroke-width="3"/>')
            text(WIDTH - RIGHT + 52, y, name)
            y += 20
    if len(ranked) > len(color):
        text(WIDTH - RIGHT + 18, y + 4, f"grey: {len(ranked) - len(color)} others", PALE)
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
    return True
