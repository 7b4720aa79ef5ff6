"""A line plot as SVG, drawn by hand: two axes, a grid, a line with dots per series, a legend."""
import html
import math

WIDTH, HEIGHT = 760, 470
LEFT, RIGHT, TOP, BOTTOM = 78, 28, 84, 62
COLORS = ("#c2410c", "#1d4ed8", "#047857", "#7c3aed")
INK, PALE, GRID = "#1f2937", "#6b7280", "#e5e7eb"


def _number(value):
    """As short as it can be read: 0.05, 1.5, 20, 4,000."""
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


class _Axis:
    """Values to pixels, logarithmic or from zero."""

    def __init__(self, values, start, end, is_log):
        self.start, self.end, self.is_log = start, end, is_log
        low, high = min(values), max(values)
        if is_log:
            self.ticks = [step * 10.0 ** power for power in range(-6, 10) for step in (1, 2, 5)]
            below = [tick for tick in self.ticks if tick <= low * 1.001]
            above = [tick for tick in self.ticks if tick >= high * 0.999]
            self.low, self.high = below[-1], above[0]
        else:
            step = 10.0 ** math.floor(math.log10(high or 1))
            step *= next(factor for factor in (0.1, 0.2, 0.5, 1, 2) if high / (step * factor) <= 6)
            self.low, self.high = 0.0, step * math.ceil(high / step)
            self.ticks = [step * i for i in range(64)]
        self.ticks = [tick for tick in self.ticks if self.low <= tick <= self.high * 1.001]

    def at(self, value):
        if self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def line_plot(path, title, subtitle, x_label, y_label, series, x_log=False, y_log=False):
    """Write a plot to `path`. series: {name: [(x, y), ...]}, all positive, x ascending."""
    points = [point for line in series.values() for point in line]
    x_axis = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT, x_log)
    y_axis = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP, y_log)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="Helvetica, Arial, DejaVu Sans, sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']

    def text(x, y, words, color=INK, anchor="start", more=""):
        out.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}"{more}>'
                   f'{html.escape(words)}</text>')

    def line(x1, y1, x2, y2, color):
        out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>')

    text(LEFT, 30, title, more=' font-size="18" font-weight="bold"')
    text(LEFT, 50, subtitle, PALE)
    for tick in x_axis.ticks:
        line(x_axis.at(tick), TOP, x_axis.at(tick), HEIGHT - BOTTOM, GRID)
        text(x_axis.at(tick), HEIGHT - BOTTOM + 19, _number(tick), PALE, "middle")
    for tick in y_axis.ticks:
        line(LEFT, y_axis.at(tick), WIDTH - RIGHT, y_axis.at(tick), GRID)
        text(LEFT - 9, y_axis.at(tick) + 4.5, _number(tick), PALE, "end")
    line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, INK)
    line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, INK)
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x_label, INK, "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    text(22, middle, y_label, INK, "middle", f' transform="rotate(-90 22 {middle:.1f})"')

    legend_x = LEFT
    for i, (name, values) in enumerate(series.items()):
        color = COLORS[i % len(COLORS)]
        pixels = [(x_axis.at(x), y_axis.at(y)) for x, y in values]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
        out.append(f'<polyline points="{way}" fill="none" stroke="{color}" stroke-width="2.5" '
                   f'stroke-linejoin="round"/>')
        for x, y in pixels:
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="#ffffff" stroke="{color}" '
                       f'stroke-width="2.5"/>')
        out.append(f'<line x1="{legend_x}" y1="68" x2="{legend_x + 26}" y2="68" stroke="{color}" '
                   f'stroke-width="2.5"/>')
        text(legend_x + 34, 72.5, name)
        legend_x += 58 + 7 * len(name)
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
