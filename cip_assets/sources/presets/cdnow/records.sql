-- A customer may have several orders on a day, which may be equal.
SELECT *, concat_ws('-', column_1, column_2, row_number() OVER (PARTITION BY _file, column_1, column_2 ORDER BY _line))
  AS "order"
FROM records
