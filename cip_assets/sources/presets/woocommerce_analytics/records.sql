-- The revenue of an order that was refunded is two amounts, before and after. Without that column the refund's own
-- record says how much was given back. It may be in the file of another month.
WITH amounts AS (
  SELECT *, number(coalesce("Net Sales", "N. Revenue"), '.') AS goods,
    list_transform(regexp_extract_all("N. Revenue (formatted)", '\d(?:[\d.,\x{a0}\x{202f}]*\d)?'),
      lambda amount: number(amount, '.')) AS revenues,
    max(revenues[1] - revenues[2]) OVER (PARTITION BY "Order #") AS difference
  FROM orders),
refunds AS (
  SELECT "Order #", -sum(goods) AS goods_back, max("Date") AS refunded_at
  FROM (SELECT DISTINCT "Order #", "Date", goods FROM amounts WHERE goods < 0) GROUP BY ALL)
SELECT _file, _line, "Order #", "Date", "Items sold", "N. Revenue (formatted)", lower("Customer") AS customer,
  regexp_replace(replace(lower("Status"), ' ', '-'), '^wc-', '') AS status, goods, revenues[1] AS charged,
  coalesce(difference, goods_back, CASE WHEN lower("Status") = 'refunded' THEN coalesce(revenues[1], goods) END)
    AS order_refunded,
  refunded_at
FROM amounts LEFT JOIN refunds USING ("Order #") WHERE goods >= 0
