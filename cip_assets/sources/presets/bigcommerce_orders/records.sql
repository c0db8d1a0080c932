-- Products stand between bars; their names may hold bars, commas and colons, so the names of the keys are the borders.
-- Whether their prices hold tax, and which shipping cost belongs to them, the subtotals say.
WITH products AS (
  SELECT *, unnest(string_split(replace("Product Details", '|Product ID:', chr(30) || 'Product ID:'), chr(30))) AS text
  FROM orders),
goods AS (
  SELECT *, regexp_extract(text, 'Product Qty: ([^,]*)', 1) AS quantity,
    coalesce(number(regexp_extract(text, 'Product Total Price: (.*)$', 1), '.'),
      number(regexp_extract(text, 'Product Qty: ([^,]*)', 1), '.')
        * number(regexp_extract(text, 'Product Unit Price: ([^|]*?)(?:, Product |$)', 1), '.')) AS total
  FROM products),
sums AS (
  SELECT *,
    abs(sum(total) OVER (PARTITION BY _file, _line) - number("Subtotal (ex tax)", '.')) >= 0.01
      AND abs(sum(total) OVER (PARTITION BY _file, _line) - number("Subtotal (inc tax)", '.')) < 0.01 AS has_tax,
    coalesce(list_sum(list_transform(regexp_extract_all("Coupon Details", 'Coupon Value: ([0-9.]+)', 1),
      lambda value: number(value, '.'))), 0) AS coupon
  FROM goods)
SELECT _file, _line, "Order ID", "Order Date", "Customer Email", "Billing Email", "Customer ID", "Order Currency Code",
  "Payment Method", "Order Total (inc tax)", quantity, total, coupon, lower("Order Status") AS status,
  nullif(regexp_extract(text, 'Product ID: ([^,]*)', 1), '') AS product,
  nullif(regexp_extract(text, 'Product SKU: (.*?), Product Name: ', 1), '') AS sku,
  nullif(regexp_extract(text, 'Product Name: (.*?), Product (?:Weight|Variation Details|Unit Price): ', 1), '') AS name,
  CASE WHEN lower("Order Status") = 'refunded' AND coalesce(number("Refund Amount", '.'), 0) = 0
      THEN "Order Total (inc tax)"
    WHEN lower("Order Status") = 'partially refunded' AND coalesce(number("Refund Amount", '.'), 0) = 0 THEN 'unknown'
    ELSE "Refund Amount" END AS order_refunded,
  number(CASE WHEN has_tax THEN "Subtotal (inc tax)" ELSE "Subtotal (ex tax)" END, '.') - coupon AS subtotal,
  CASE WHEN has_tax
    THEN coalesce(number("Shipping Cost (inc tax)", '.'), 0) + coalesce(number("Handling Cost (inc tax)", '.'), 0)
    ELSE coalesce(number("Shipping Cost (ex tax)", '.'), 0) + coalesce(number("Handling Cost (ex tax)", '.'), 0) END
    AS shipping,
  CASE WHEN NOT has_tax THEN "Tax Total" END AS tax
FROM sums
